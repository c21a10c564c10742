using System.Diagnostics;

namespace SafeAmqp.Telemetry;

/// <summary>The activity source.</summary>
internal static class Tracing
{
    internal static readonly string Version = typeof(AmqpClient).Assembly.GetName().Version?.ToString(3) ?? "";

    internal static readonly ActivitySource Source = new(AmqpTelemetry.ActivitySourceName, Version);

    /// <summary>The activity in which links run: not recorded, so that what samples by its parent records nothing of what they do.</summary>
    internal static readonly Activity Muted = Mute();

    private static Activity Mute()
    {
        Activity? current = Activity.Current;
        Activity.Current = null; // it belongs to no trace
        Activity muted = new Activity("SafeAmqp link").SetIdFormat(ActivityIdFormat.W3C).Start();
        muted.ActivityTraceFlags = ActivityTraceFlags.None;
        muted.IsAllDataRequested = false;
        Activity.Current = current;
        return muted;
    }
}
