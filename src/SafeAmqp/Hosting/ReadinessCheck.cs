using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace SafeAmqp.Hosting;

/// <summary>Whether the client can do its work now.</summary>
internal sealed class ReadinessCheck(IServiceProvider services, string? key) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
        => Task.FromResult(Check(context.Registration.FailureStatus));

    private HealthCheckResult Check(HealthStatus failureStatus)
    {
        AmqpClientStatus status;
        try
        {
            status = services.GetRequiredKeyedService<IAmqpClient>(key).Status;
        }
        catch (ObjectDisposedException)
        {
            return new HealthCheckResult(failureStatus, "The client is disposed.");
        }
        var missing = services.GetKeyedService<AmqpHostedService>(key)?.Missing ?? [];
        var health = Health.Readiness(status, isComplete: missing.Count == 0);
        return new HealthCheckResult(health == HealthStatus.Unhealthy ? failureStatus : health,
            string.Join("; ", missing.Prepend(status.ToString())), data: Health.Data(status, missing));
    }
}
