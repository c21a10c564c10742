using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace SafeAmqp.Hosting;

/// <summary>Whether the client can still come back by itself.</summary>
internal sealed class LivenessCheck(IServiceProvider services, string? key) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
        => Task.FromResult(Check(context.Registration.FailureStatus));

    private HealthCheckResult Check(HealthStatus failureStatus)
    {
        try
        {
            var client = services.GetRequiredKeyedService<IAmqpClient>(key);
            var status = client.Status;

            // Asked after the state was read: disposal says so before it closes a link.
            bool isMeant = client is AmqpClient { IsDisposed: true } || services.GetKeyedService<AmqpHostedService>(key) is { IsStopping: true };
            return Health.IsDead(status) && !isMeant
                ? new HealthCheckResult(failureStatus, status.ToString(), data: Health.Data(status, []))
                : HealthCheckResult.Healthy(status.ToString(), Health.Data(status, []));
        }
        catch (ObjectDisposedException)
        {
            return HealthCheckResult.Healthy("The client is disposed.");
        }
    }
}
