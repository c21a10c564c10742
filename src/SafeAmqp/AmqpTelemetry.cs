using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;

namespace SafeAmqp;

/// <summary>The names under which the library reports. <c>docs/TELEMETRY.md</c> lists what it reports under
/// them.</summary>
public static class AmqpTelemetry
{
    /// <summary>The name of the activity source: OpenTelemetry's <c>AddSource</c>.</summary>
    public const string ActivitySourceName = "SafeAmqp";

    /// <summary>The name of the meter: OpenTelemetry's <c>AddMeter</c>.</summary>
    public const string MeterName = "SafeAmqp";
}

/// <summary>What a client reports of itself. Nothing is recorded, and nothing allocated, while nothing
/// listens.</summary>
public sealed class AmqpTelemetryOptions
{
    // Settable for the same reason as AmqpTlsOptions; the host sets the meter factory, too.

    /// <summary>Whether the span of a handler is a child of its message's creation context, and so a part of the trace
    /// that published it. It is linked to that context either way. The spans of requests that
    /// <see cref="IAmqpClient.ServeAsync"/> answers always are.</summary>
    /// <value>Default: <see langword="true"/>. Without, a handler begins a trace of its own: for messages that wait for
    /// days or are handled many times.</value>
    public bool HandlersContinueTraces { get; set; } = true;

    /// <summary>Whether <see cref="IAmqpClient.PublishAllAsync"/> makes a span for each message beside the one for the
    /// batch. Without, all its messages carry the context of the batch's span.</summary>
    /// <value>Default: <see langword="true"/>.</value>
    public bool SpanPerMessageOfBatch { get; set; } = true;

    /// <summary>Whether settling a delivery makes a span.</summary>
    /// <value>Default: <see langword="true"/>.</value>
    public bool SettleSpans { get; set; } = true;

    /// <summary>Whether spans carry the size of the body (<c>messaging.message.body.size</c>).</summary>
    /// <value>Default: <see langword="false"/>.</value>
    public bool BodySize { get; set; }

    /// <summary>Makes the meter.</summary>
    /// <value>Default: none, a meter of the process; <c>AddSafeAmqp</c> sets the host's.</value>
    [System.Text.Json.Serialization.JsonIgnore]
    public IMeterFactory? MeterFactory { get; set; }

    internal AmqpTelemetryOptions Copy() => (AmqpTelemetryOptions)MemberwiseClone();
}

/// <summary>A user's logger. What it throws ends in it: it is called on the I/O thread, too, where a failure would end
/// the link, and in handlers' workers.</summary>
internal sealed class GuardedLogger(ILogger logger) : ILogger
{
    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null; // none is begun here

    public bool IsEnabled(LogLevel logLevel)
    {
        try
        {
            return logger.IsEnabled(logLevel);
        }
        catch (Exception)
        {
            return false;
        }
    }

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
        Func<TState, Exception?, string> formatter)
    {
        try
        {
            logger.Log(logLevel, eventId, state, exception, formatter);
        }
        catch (Exception)
        {
            // There is nowhere to tell it.
        }
    }
}
