using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace SafeAmqp.Hosting;

/// <summary>What a client's state means for health: pure decisions.</summary>
internal static class Health
{
    /// <summary>With the default delays a few seconds: a short outage costs callers only a wait, and taking every
    /// instance out of service for it would make it a long one.</summary>
    internal const int ToleratedAttempts = 5;

    internal static HealthStatus Readiness(AmqpClientStatus status, bool isComplete)
    {
        var worst = isComplete && status.ThreadPoolStarvedFor is null ? HealthStatus.Healthy : HealthStatus.Degraded;
        foreach (var link in status.Links)
            worst = Worse(worst, Readiness(link));
        return worst;
    }

    internal static HealthStatus Readiness(AmqpLinkStatus link) => link.State switch
    {
        AmqpLinkState.Open when link.Consumers.Any(IsStoppedForGood) => HealthStatus.Unhealthy,
        AmqpLinkState.Open when link.BlockedReason is null && link.TopologyErrors.Count == 0
            && link.Consumers.All(DoesItsWork) => HealthStatus.Healthy,
        AmqpLinkState.Open => HealthStatus.Degraded,
        AmqpLinkState.Connecting or AmqpLinkState.Preparing or AmqpLinkState.Waiting
            when HasBeenOpen(link) && link.RecoveryAttempt <= ToleratedAttempts => HealthStatus.Degraded,
        _ => HealthStatus.Unhealthy,
    };

    /// <summary>A link that ended by itself comes back only with a new client. What was stopped over a message only
    /// degrades: nothing starts it again by itself, and a restart would only bring it to the same message.</summary>
    internal static HealthStatus Liveness(AmqpClientStatus status)
        => status.Links.Any(link => link.State == AmqpLinkState.Closed) ? HealthStatus.Unhealthy
            : status.Links.Any(link => link.Consumers.Any(IsStoppedForGood)) ? HealthStatus.Degraded
            : HealthStatus.Healthy;

    internal static Dictionary<string, object> Data(AmqpClientStatus status, IReadOnlyList<string> missing)
    {
        var data = new Dictionary<string, object>();
        foreach (var link in status.Links)
            Add(data, link);
        if (status.ThreadPoolStarvedFor is { } starved)
            data["threadPoolStarvedSeconds"] = starved.TotalSeconds;
        if (missing.Count > 0)
            data["missing"] = missing;
        return data;
    }

    // Every attempt counts for the epoch, those since it was last open also as attempts to recover: without one that
    // opened they are equal.
    private static bool HasBeenOpen(AmqpLinkStatus link) => link.Epoch > link.RecoveryAttempt;

    // One that is being stopped has nothing more to do.
    private static bool DoesItsWork(AmqpConsumerStatus consumer) => consumer is { State: AmqpConsumerState.Stopping }
        or { State: AmqpConsumerState.Live, StuckFor: null, DeadLetterError: null };

    private static bool IsStoppedForGood(AmqpConsumerStatus consumer) => consumer.State == AmqpConsumerState.Stopped;

    private static HealthStatus Worse(HealthStatus one, HealthStatus other) => one < other ? one : other;

    private static void Add(Dictionary<string, object> data, AmqpLinkStatus link)
    {
        data[$"{link.Name}.state"] = link.State.ToString();
        data[$"{link.Name}.epoch"] = link.Epoch;
        data[$"{link.Name}.queued"] = link.QueuedMessages;
        data[$"{link.Name}.unconfirmed"] = link.UnconfirmedMessages;
        data[$"{link.Name}.pendingCalls"] = link.PendingCalls;
        data[$"{link.Name}.consumers"] = link.Consumers.Count;
        data[$"{link.Name}.consumersLive"] = link.Consumers.Count(consumer => consumer.State == AmqpConsumerState.Live);
        AddIf("host", link.Host);
        AddIf("lastError", link.LastError);
        AddIf("blocked", link.BlockedReason);
        AddIf("recoveryAttempt", link.RecoveryAttempt > 0 ? link.RecoveryAttempt : null);
        string[] notLive = [.. link.Consumers.Where(consumer => consumer.State != AmqpConsumerState.Live)
            .Select(consumer => $"{consumer.Queue}: {consumer.State}"
                + (consumer.LastError is { } error ? $" ({error})" : ""))];
        AddIf("consumersNotLive", notLive.Length > 0 ? notLive : null);
        string[] stuck = [.. link.Consumers.Where(consumer => consumer.StuckFor is not null)
            .Select(consumer => string.Create(CultureInfo.InvariantCulture,
                $"{consumer.Queue}: {consumer.StuckFor!.Value.TotalSeconds:0} s"))];
        AddIf("consumersStuck", stuck.Length > 0 ? stuck : null);
        string[] dead = [.. link.Consumers.Where(consumer => consumer.DeadLetterError is not null)
            .Select(consumer => $"{consumer.Queue}: {consumer.DeadLetterError}")];
        AddIf("deadLetterErrors", dead.Length > 0 ? dead : null);
        AddIf("topologyErrors", link.TopologyErrors.Count > 0 ? link.TopologyErrors : null);

        void AddIf(string name, object? value)
        {
            if (value is not null)
                data[$"{link.Name}.{name}"] = value;
        }
    }
}

/// <summary>Whether the client can do its work now; for liveness, whether it can still come back by itself.</summary>
internal sealed class ClientCheck(IServiceProvider services, string? key, bool isLiveness) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context,
        CancellationToken cancellationToken = default)
        => Task.FromResult(Check(context.Registration.FailureStatus));

    private HealthCheckResult Check(HealthStatus failureStatus)
    {
        try
        {
            var client = services.GetRequiredKeyedService<IAmqpClient>(key);
            var status = client.Status;
            var host = services.GetKeyedService<AmqpHostedService>(key);
            IReadOnlyList<string> missing = isLiveness ? [] : host?.Missing ?? [];

            // Asked after the state was read: disposal says so before it closes a link.
            bool isMeant = client is AmqpClient { IsDisposed: true } || host is { IsStopping: true };
            HealthStatus health = !isLiveness ? Health.Readiness(status, isComplete: missing.Count == 0)
                : isMeant ? HealthStatus.Healthy : Health.Liveness(status);
            return new HealthCheckResult(health == HealthStatus.Unhealthy ? failureStatus : health,
                string.Join("; ", missing.Prepend(status.ToString())), data: Health.Data(status, missing));
        }
        catch (ObjectDisposedException)
        {
            return new HealthCheckResult(isLiveness ? HealthStatus.Healthy : failureStatus, "The client is disposed.");
        }
    }
}
