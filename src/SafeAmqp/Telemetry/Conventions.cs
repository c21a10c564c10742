using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;

namespace SafeAmqp.Telemetry;

/// <summary>The names of attributes: OpenTelemetry's semantic conventions 1.44.0 for messaging and RabbitMQ, then the
/// library's own.</summary>
internal static class Attributes
{
    internal const string System = "messaging.system";
    internal const string OperationName = "messaging.operation.name";
    internal const string OperationType = "messaging.operation.type";
    internal const string Destination = "messaging.destination.name";
    internal const string DestinationTemplate = "messaging.destination.template";
    internal const string Temporary = "messaging.destination.temporary";
    internal const string Anonymous = "messaging.destination.anonymous";
    internal const string RoutingKey = "messaging.rabbitmq.destination.routing_key";
    internal const string DeliveryTag = "messaging.rabbitmq.message.delivery_tag";
    internal const string MessageId = "messaging.message.id";
    internal const string ConversationId = "messaging.message.conversation_id";
    internal const string BodySize = "messaging.message.body.size";
    internal const string BatchCount = "messaging.batch.message_count";
    internal const string ClientId = "messaging.client.id";
    internal const string ServerAddress = "server.address";
    internal const string ServerPort = "server.port";
    internal const string PeerAddress = "network.peer.address";
    internal const string PeerPort = "network.peer.port";
    internal const string ErrorType = "error.type";

    /// <summary>What became of a message.</summary>
    internal const string Outcome = "safeamqp.outcome";

    /// <summary>How many replies of a request were taken.</summary>
    internal const string Replies = "safeamqp.call.replies";

    /// <summary>How a handled delivery was settled: <c>ack</c>, <c>nack</c> or <c>reject</c>.</summary>
    internal const string Settlement = "safeamqp.settlement";

    /// <summary>Why a message left its queue unhandled: <c>unreadable</c>, <c>failed</c> or <c>rejected</c>.</summary>
    internal const string Reason = "safeamqp.rejection.reason";

    /// <summary>Where it went: <c>dead_lettered</c>, <c>discarded</c> or <c>passed_over</c>.</summary>
    internal const string Fate = "safeamqp.rejection.fate";

    internal const string Redelivered = "safeamqp.delivery.redelivered";
    internal const string Client = "safeamqp.client.name";
    internal const string Link = "safeamqp.link.name";
    internal const string State = "safeamqp.link.state";

    /// <summary>The value of <see cref="System"/>.</summary>
    internal const string RabbitMq = "rabbitmq";
}

/// <summary>An operation as the conventions name it, and the kind of its span.</summary>
internal readonly record struct Operation(string Name, string Type, ActivityKind Kind)
{
    /// <summary>Whether it waits for an answer.</summary>
    internal bool Calls => Name == Call.Name || Name == CallMany.Name;

    internal static readonly Operation Publish = new("publish", "send", ActivityKind.Producer);
    internal static readonly Operation PublishBatch = new("publish", "send", ActivityKind.Client);
    internal static readonly Operation Create = new("create", "create", ActivityKind.Producer);

    /// <summary>A request and the wait for its reply.</summary>
    internal static readonly Operation Call = new("call", "send", ActivityKind.Client);

    /// <summary>A request and its replies.</summary>
    internal static readonly Operation CallMany = new("call_many", "send", ActivityKind.Client);

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

/// <summary>Where a message goes to or comes from, as the conventions for RabbitMQ name it.</summary>
/// <param name="Name">The value of <c>messaging.destination.name</c>.</param>
/// <param name="IsAnonymous">Whether the queue's name was made up: it then says nothing to anybody, and there is no end
/// of such names.</param>
/// <param name="IsNameless">Whether there is no other name.</param>
internal readonly record struct Destination(string Name, bool IsAnonymous, bool IsNameless)
{
    private const string Default = "amq.default";

    /// <summary>Exchange and routing key, or what there is of them.</summary>
    internal static Destination Of(AmqpMessage message) => (message.Exchange, message.RoutingKey) switch
    {
        ("", "") => Named(Default),
        ("", var queue) => OfQueue(queue),
        (var exchange, "") => Named(exchange),
        var (exchange, key) => Named($"{exchange}:{key}"),
    };

    /// <summary>Exchange, routing key and queue, or what there is of them; a queue whose name is the key is named once,
    /// one whose name was made up only where there is nothing else.</summary>
    internal static Destination Of(AmqpDelivery delivery)
    {
        AmqpMessage message = delivery.Message;
        string queue = delivery.Queue, key = message.RoutingKey == queue ? "" : message.RoutingKey;
        string way = message.Exchange == "" ? key : key == "" ? message.Exchange : $"{message.Exchange}:{key}";
        return way == "" ? OfQueue(queue)
            : IsMadeUp(queue) ? new(way, IsAnonymous: true, IsNameless: false) : Named($"{way}:{queue}");
    }

    /// <summary>Whether RabbitMQ or the library made the name: a server-named queue, an address of direct reply-to, a
    /// client's own queue.</summary>
    internal static bool IsMadeUp(string queue)
        => queue.StartsWith(AmqpQueue.OwnPrefix, StringComparison.Ordinal)
            || queue.StartsWith("amq.gen-", StringComparison.Ordinal)
            || queue.StartsWith("amq.rabbitmq.reply-to", StringComparison.Ordinal);

    /// <summary>The name of a span: the operation, and the destination where it has a name of its own.</summary>
    internal string SpanName(string operation) => IsNameless ? operation : $"{operation} {Name}";

    private static Destination Named(string name) => new(name, IsAnonymous: false, IsNameless: false);

    private static Destination OfQueue(string queue)
    {
        bool isMadeUp = IsMadeUp(queue);
        return new(queue, isMadeUp, isMadeUp);
    }
}

/// <summary>Names that are used in metrics, where each makes a time series of its own: only the first ones, up to a
/// bound, as it is not known in advance how many queues an application names.</summary>
internal sealed class BoundedNames(Func<string, string> form)
{
    internal const int Max = 200;

    private readonly ConcurrentDictionary<string, string> _names = [];

    /// <summary>The name in its form; null when there are too many already.</summary>
    internal string? Of(string name)
    {
        if (_names.TryGetValue(name, out string? known))
            return known;
        return _names.Count >= Max ? null : _names.GetOrAdd(name, form);
    }
}

/// <summary>What failed, as the value of <c>error.type</c>: one of few words. Pure.</summary>
internal static class ErrorType
{
    internal const string Timeout = "timeout";
    internal const string Nack = "nack";
    internal const string Stale = "stale";

    internal static string Of(Exception error) => error switch
    {
        AmqpException { ReplyCode: { } code } => OfCode(code),
        AmqpNackedException => Nack,
        AmqpException { InnerException: TimeoutException } => Timeout,
        _ => error.GetType().FullName ?? error.GetType().Name,
    };

    /// <summary>AMQP 0-9-1's own words for its reply codes (section 1.2).</summary>
    internal static string OfCode(int code) => code switch
    {
        311 => "content-too-large",
        312 => "no-route",
        313 => "no-consumers",
        320 => "connection-forced",
        402 => "invalid-path",
        403 => "access-refused",
        404 => "not-found",
        405 => "resource-locked",
        406 => "precondition-failed",
        501 => "frame-error",
        502 => "syntax-error",
        503 => "command-invalid",
        504 => "channel-error",
        505 => "unexpected-frame",
        506 => "resource-error",
        530 => "not-allowed",
        540 => "not-implemented",
        541 => "internal-error",
        _ => code.ToString(CultureInfo.InvariantCulture),
    };
}

/// <summary>Trace context in the headers of messages, by the process's <see cref="DistributedContextPropagator"/>:
/// W3C's unless it was set otherwise.</summary>
internal static class ContextHeaders
{
    /// <summary>Longer values are not looked at: a peer may write anything. W3C asks for 512 for a trace state and
    /// 8,192 for baggage.</summary>
    private const int MaxLength = 8192;

    private static readonly DistributedContextPropagator.PropagatorGetterCallback Get =
        static (object? carrier, string name, out string? value, out IEnumerable<string>? values) =>
    {
        values = null;
        value = ((IReadOnlyDictionary<string, object?>)carrier!).TryGetValue(name, out object? header)
            && header is string { Length: <= MaxLength } text ? text : null;
    };

    private static readonly DistributedContextPropagator.PropagatorSetterCallback Set = static (carrier, name, value)
        => ((Dictionary<string, object?>)carrier!).TryAdd(name, value);

    /// <summary>The message with the context of its creation. One that carries a context of its caller's keeps
    /// that.</summary>
    internal static AmqpMessage Inject(AmqpMessage message, Activity? creation)
    {
        if (creation is null || HasOwn(message.Headers))
            return message;
        var headers = message.Headers is null ? [] : new Dictionary<string, object?>(message.Headers);
        DistributedContextPropagator.Current.Inject(creation, headers, Set);
        return headers.Count == (message.Headers?.Count ?? 0) ? message : message with { Headers = headers };
    }

    /// <summary>The context in which a message was made.</summary>
    internal static bool TryExtract(IReadOnlyDictionary<string, object?>? headers, out ActivityContext context)
    {
        context = default;
        if (headers is not { Count: > 0 })
            return false;
        DistributedContextPropagator.Current.ExtractTraceIdAndState(headers, Get, out string? parent,
            out string? state);
        return ActivityContext.TryParse(parent, state, isRemote: true, out context);
    }

    /// <summary>Gives an activity the baggage that came with a message.</summary>
    internal static void CopyBaggage(IReadOnlyDictionary<string, object?>? headers, Activity activity)
    {
        if (headers is not { Count: > 0 })
            return;
        foreach (var (key, value) in DistributedContextPropagator.Current.ExtractBaggage(headers, Get) ?? [])
            activity.AddBaggage(key, value);
    }

    private static bool HasOwn(IReadOnlyDictionary<string, object?>? headers)
    {
        if (headers is not { Count: > 0 })
            return false;
        DistributedContextPropagator.Current.ExtractTraceIdAndState(headers, Get, out string? parent, out _);
        return parent is not null;
    }
}
