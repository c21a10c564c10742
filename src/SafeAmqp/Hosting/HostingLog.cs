using Microsoft.Extensions.Logging;

namespace SafeAmqp.Hosting;

/// <summary>The hosting room's log lines: event ids 600 to 699.</summary>
internal static partial class HostingLog
{
    /// <summary>The category.</summary>
    internal const string Category = "SafeAmqp.Hosting";

    [LoggerMessage(600, LogLevel.Information,
        "AMQP client '{Client}' is starting: {Topologies} topologies, {Workers} consumers and servers")]
    internal static partial void Starting(ILogger logger, string client, int topologies, int workers);

    [LoggerMessage(601, LogLevel.Information, "AMQP client '{Client}': {What} is ready (attempt {Attempt})")]
    internal static partial void StepReady(ILogger logger, string client, string what, int attempt);

    [LoggerMessage(602, LogLevel.Warning,
        "AMQP client '{Client}': {What} failed (attempt {Attempt}); next attempt in {Delay}")]
    internal static partial void StepFailed(ILogger logger, string client, string what, int attempt, TimeSpan delay,
        Exception error);

    [LoggerMessage(603, LogLevel.Error,
        "AMQP client '{Client}' was disposed while the host was starting it; consumers and servers are not started")]
    internal static partial void StartUpEnded(ILogger logger, string client, Exception error);

    [LoggerMessage(604, LogLevel.Warning,
        "AMQP client '{Client}': the topology is not declared after {Timeout}; the host starts, and declaring goes on "
            + "in the background")]
    internal static partial void TopologyLate(ILogger logger, string client, TimeSpan timeout);

    [LoggerMessage(605, LogLevel.Critical,
        "AMQP client '{Client}' cannot be started, however often it is tried; the host stops")]
    internal static partial void NeverStarts(ILogger logger, string client, Exception error);

    [LoggerMessage(610, LogLevel.Information,
        "AMQP client '{Client}': stopping {Workers} consumers and servers, for at most {Timeout}")]
    internal static partial void Draining(ILogger logger, string client, int workers, TimeSpan timeout);

    [LoggerMessage(611, LogLevel.Warning,
        "AMQP client '{Client}': {What} did not stop in time; unsettled deliveries go back to the queue")]
    internal static partial void NotDrained(ILogger logger, string client, string what);

    [LoggerMessage(612, LogLevel.Error, "AMQP client '{Client}': stopping {What} failed")]
    internal static partial void StopFailed(ILogger logger, string client, string what, Exception error);

    [LoggerMessage(613, LogLevel.Information, "AMQP client '{Client}' is disposed")]
    internal static partial void Disposed(ILogger logger, string client);

    [LoggerMessage(614, LogLevel.Warning,
        "AMQP client '{Client}' was not disposed within the host's shutdown time; disposal continues in the "
            + "background")]
    internal static partial void NotDisposed(ILogger logger, string client);
}
