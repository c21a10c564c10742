using System.Collections.Concurrent;

namespace SafeAmqp.Telemetry;

/// <summary>Where a message goes to or comes from, as the conventions for RabbitMQ name it.</summary>
/// <param name="Name">The value of <c>messaging.destination.name</c>.</param>
/// <param name="IsAnonymous">Whether the broker made the name up: it then says nothing to anybody, and there is no end
/// of such names.</param>
internal readonly record struct Destination(string Name, bool IsAnonymous)
{
    private const string Default = "amq.default";

    /// <summary>Exchange and routing key, or what there is of them.</summary>
    internal static Destination Of(AmqpMessage message) => (message.Exchange, message.RoutingKey) switch
    {
        ("", "") => new(Default, false),
        ("", var queue) => new(queue, IsMadeUp(queue)),
        (var exchange, "") => new(exchange, false),
        var (exchange, key) => new($"{exchange}:{key}", false),
    };

    /// <summary>
    /// Exchange, routing key and queue, or what there is of them; a queue whose name is the key is named once.
    /// </summary>
    internal static Destination Of(AmqpDelivery delivery)
    {
        AmqpMessage message = delivery.Message;
        string key = message.RoutingKey == delivery.Queue ? "" : message.RoutingKey;
        return (message.Exchange, key) switch
        {
            ("", "") => new(delivery.Queue, IsMadeUp(delivery.Queue)),
            (var exchange, "") => new($"{exchange}:{delivery.Queue}", IsMadeUp(delivery.Queue)),
            ("", _) => new($"{key}:{delivery.Queue}", IsMadeUp(delivery.Queue)),
            (var exchange, _) => new($"{exchange}:{key}:{delivery.Queue}", IsMadeUp(delivery.Queue)),
        };
    }

    /// <summary>Whether RabbitMQ made the name: a server-named queue, or an address of direct reply-to.</summary>
    internal static bool IsMadeUp(string queue)
        => queue.StartsWith("amq.gen-", StringComparison.Ordinal)
            || queue.StartsWith("amq.rabbitmq.reply-to", StringComparison.Ordinal);

    /// <summary>The name of a span: the operation, and the destination where it has a name of its own.</summary>
    internal string SpanName(string operation) => IsAnonymous ? operation : $"{operation} {Name}";
}

/// <summary>
/// Names that may stand in metrics, where each makes time series of its own: the first that come, and no more than a
/// bound, as nobody can know beforehand how many queues an application names.
/// </summary>
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
