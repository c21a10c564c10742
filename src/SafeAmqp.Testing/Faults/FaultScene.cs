using SafeAmqp.Testing.Channels;
using SafeAmqp.Testing.Connections;
using SafeAmqp.Testing.Queues;

namespace SafeAmqp.Testing.Faults;

/// <summary>The moment that a trigger looks at, and what an action may change about it.</summary>
internal sealed class FaultScene(Connection connection, Channel? channel, uint method)
{
    /// <summary>No moment of a client's: the test injects something.</summary>
    public const uint Injecting = 0;

    /// <summary>A socket was accepted; nothing has been said yet.</summary>
    public const uint Connecting = 1;

    /// <summary>The header of a message came, its body not yet.</summary>
    public const uint Publishing = 2;

    public static bool HasChannel(uint moment) => moment == Publishing || Protocol.Method.Class(moment) >= 20;

    public static bool HasQueue(uint moment) => Protocol.Method.Class(moment) == 50 || IsOfDelivery(moment)
        || moment is Protocol.Method.BasicConsume or Protocol.Method.BasicCancel or Protocol.Method.BasicGet;

    public static bool HasExchange(uint moment) => Protocol.Method.Class(moment) == 40 || HasMessage(moment)
        || moment is Protocol.Method.QueueBind or Protocol.Method.QueueUnbind;

    public static bool HasMessage(uint moment)
        => moment is Publishing or Protocol.Method.BasicPublish || IsOfDelivery(moment);

    private static bool IsOfDelivery(uint moment) => moment is Protocol.Method.BasicDeliver
        or Protocol.Method.BasicAck or Protocol.Method.BasicNack or Protocol.Method.BasicReject;

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
internal sealed record ConfirmHold(TimeSpan? Delay = null, int Reorder = 0, Random? Random = null)
{
    public static readonly ConfirmHold ForEver = new();
}
