using System.Diagnostics;

namespace SafeAmqp.Telemetry;

/// <summary>The activity source.</summary>
internal static class Tracing
{
    internal static readonly string Version = typeof(AmqpClient).Assembly.GetName().Version?.ToString(3) ?? "";

    internal static readonly ActivitySource Source = new(AmqpTelemetry.ActivitySourceName, Version);
}
