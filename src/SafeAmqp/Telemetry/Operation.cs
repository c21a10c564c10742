using System.Diagnostics;

namespace SafeAmqp.Telemetry;

/// <summary>An operation as the conventions name it, and the kind of its span.</summary>
internal readonly record struct Operation(string Name, string Type, ActivityKind Kind)
{
    internal static readonly Operation Publish = new("publish", "send", ActivityKind.Producer);
    internal static readonly Operation PublishBatch = new("publish", "send", ActivityKind.Client);
    internal static readonly Operation Create = new("create", "create", ActivityKind.Producer);

    /// <summary>A request and the wait for its reply.</summary>
    internal static readonly Operation Call = new("call", "send", ActivityKind.Client);

    internal static readonly Operation Receive = new("receive", "receive", ActivityKind.Client);
    internal static readonly Operation Process = new("process", "process", ActivityKind.Consumer);

    internal static Operation Settle(AmqpSettlement settlement) => settlement switch
    {
        AmqpSettlement.Ack => new("ack", "settle", ActivityKind.Client),
        AmqpSettlement.Requeue => new("nack", "settle", ActivityKind.Client),
        _ => new("reject", "settle", ActivityKind.Client),
    };
}

/// <summary>The activity source.</summary>
internal static class Tracing
{
    internal static readonly string Version = typeof(Tracing).Assembly.GetName().Version?.ToString(3) ?? "";

    internal static readonly ActivitySource Source = new(AmqpTelemetry.ActivitySourceName, Version);
}
