using SafeAmqp.Testing.Channels;
using SafeAmqp.Testing.Connections;
using SafeAmqp.Testing.Queues;

namespace SafeAmqp.Testing.Faults;

/// <summary>The moment that a trigger looks at, and what an action may change about it.</summary>
internal sealed class FaultScene(Connection connection, Channel? channel, uint method)
{
    /// <summary>A socket was accepted; nothing has been said yet.</summary>
    public const uint Connecting = 1;

    /// <summary>The header of a message came, its body not yet.</summary>
    public const uint Publishing = 2;

    public Connection Connection => connection;

    public Channel? Channel => channel;

    public uint Method => method;

    public string? Exchange { get; init; }

    public string? RoutingKey { get; init; }

    public string? Queue { get; init; }

    public Message? Message { get; init; }

    public ContentProperties? Properties { get; init; }

    public Consumer? Consumer { get; init; }

    public ulong DeliveryTag { get; init; }

    public PublishVerdict Verdict { get; set; }

    public ushort? ReturnCode { get; set; }

    public string? ReturnText { get; set; }

    public ConfirmHold? Hold { get; set; }

    public FaultMoment ToMoment() => new()
    {
        Connection = connection.Name,
        Channel = channel?.Number ?? 0,
        Exchange = Exchange,
        RoutingKey = RoutingKey,
        Queue = Queue,
        MessageId = Properties?.MessageId,
        CorrelationId = Properties?.CorrelationId,
        BodyLength = Message?.Body.Length ?? 0,
    };
}

/// <summary>What a script decided about a publish.</summary>
internal enum PublishVerdict
{
    /// <summary>Nothing: it goes its way.</summary>
    None,

    /// <summary>Not taken in; basic.nack.</summary>
    Nack,

    /// <summary>Not routed; basic.return.</summary>
    Return,
}

/// <summary>How a confirm is kept back: for a time, mixed among so many, or, with neither, for ever.</summary>
internal sealed record ConfirmHold(TimeSpan? Delay, int Reorder, Random Random);
