namespace SafeAmqp;

/// <summary>
/// The names under which the library reports. <c>docs/TELEMETRY.md</c> lists what it reports under them.
/// </summary>
public static class AmqpTelemetry
{
    /// <summary>The name of the activity source: OpenTelemetry's <c>AddSource</c>.</summary>
    public const string ActivitySourceName = "SafeAmqp";

    /// <summary>The name of the meter: OpenTelemetry's <c>AddMeter</c>.</summary>
    public const string MeterName = "SafeAmqp";
}
