using Microsoft.Extensions.Diagnostics.HealthChecks;
using SafeAmqp;
using SafeAmqp.Hosting;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Adds health checks of clients. They read the client's state from memory, open nothing and wait for
/// nothing.</summary>
public static class SafeAmqpHealthChecksBuilderExtensions
{
    /// <summary>Adds a readiness check. Healthy: every link is open, every consumer does its work or is being stopped,
    /// everything added on the builder is ready. Degraded: the broker blocks publishing; a link that was open is being
    /// recovered; a consumer does not receive, all its handlers are stuck, or its dead letters cannot be moved;
    /// something could not be declared or started; the thread pool is starved. Unhealthy: a link was never open, is
    /// closed, or five attempts to recover it have failed; a consumer was stopped over a message.</summary>
    /// <param name="builder">The health checks.</param>
    /// <param name="name">The check's name.</param>
    /// <param name="key">The client's key; <see langword="null"/> for the one without.</param>
    /// <param name="failureStatus">What to report in place of unhealthy. Default: unhealthy.</param>
    /// <param name="tags">The check's tags. Default: <c>ready</c>.</param>
    /// <param name="timeout">The check's time-out. Default: none, as it waits for nothing.</param>
    /// <returns>The health checks.</returns>
    public static IHealthChecksBuilder AddSafeAmqp(this IHealthChecksBuilder builder, string name = "safeamqp",
        string? key = null, HealthStatus? failureStatus = null, IEnumerable<string>? tags = null,
        TimeSpan? timeout = null)
        => Add(builder, name, key, isLiveness: false, failureStatus, tags ?? ["ready"], timeout);

    /// <summary>Adds a liveness check: unhealthy only when a link is closed for good although nothing disposed the
    /// client, which a restart of the process cures. Degraded: a consumer was stopped over a message, to which a
    /// restart would only bring it back. A broker that is down is no reason to restart.</summary>
    /// <param name="builder">The health checks.</param>
    /// <param name="name">The check's name.</param>
    /// <param name="key">The client's key; <see langword="null"/> for the one without.</param>
    /// <param name="failureStatus">What to report in place of unhealthy. Default: unhealthy.</param>
    /// <param name="tags">The check's tags. Default: <c>live</c>.</param>
    /// <param name="timeout">The check's time-out. Default: none, as it waits for nothing.</param>
    /// <returns>The health checks.</returns>
    public static IHealthChecksBuilder AddSafeAmqpLiveness(this IHealthChecksBuilder builder,
        string name = "safeamqp-live", string? key = null, HealthStatus? failureStatus = null,
        IEnumerable<string>? tags = null, TimeSpan? timeout = null)
        => Add(builder, name, key, isLiveness: true, failureStatus, tags ?? ["live"], timeout);

    private static IHealthChecksBuilder Add(IHealthChecksBuilder builder, string name, string? key, bool isLiveness,
        HealthStatus? failureStatus, IEnumerable<string> tags, TimeSpan? timeout)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(name);
        return builder.Add(new HealthCheckRegistration(name, services => new ClientCheck(services, key, isLiveness),
            failureStatus, tags, timeout));
    }
}
