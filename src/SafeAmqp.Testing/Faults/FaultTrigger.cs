using SafeAmqp.Testing.Faults;

namespace SafeAmqp.Testing;

/// <summary>
/// When a fault happens: a moment, what must be true of it, and which of the moments that fit. Immutable; each method
/// gives a new one.
/// </summary>
/// <remarks>
/// Counting is by script: it starts when the script is given to the broker, and counts only moments that fit the
/// conditions.
/// </remarks>
public sealed record FaultTrigger
{
    private FaultTrigger(uint method) => Method = method;

    internal uint Method { get; }

    internal string? Connection { get; private init; }

    internal int? Channel { get; private init; }

    internal string? Queue { get; private init; }

    internal string? Exchange { get; private init; }

    internal string? MessageId { get; private init; }

    internal Func<FaultMoment, bool>? Condition { get; private init; }

    internal long First { get; private init; } = 1;

    internal long Limit { get; private init; } = long.MaxValue;

    internal int Every { get; private init; } = 1;

    internal int? Seed { get; private init; }

    /// <summary>A message has arrived completely, and was not yet routed.</summary>
    public static FaultTrigger Publish() => new(Protocol.Method.BasicPublish);

    /// <summary>The header of a message has arrived, its body has not: the middle of a publish.</summary>
    public static FaultTrigger Publishing() => new(FaultScene.Publishing);

    /// <summary>A message is about to be delivered to a consumer.</summary>
    public static FaultTrigger Deliver() => new(Protocol.Method.BasicDeliver);

    /// <summary>A client acknowledges; of several at once the newest counts.</summary>
    public static FaultTrigger Ack() => new(Protocol.Method.BasicAck);

    /// <summary>A socket was accepted; the client's name is not known yet.</summary>
    public static FaultTrigger Connect() => new(FaultScene.Connecting);

    /// <summary>A client logs in.</summary>
    public static FaultTrigger LogIn() => new(Protocol.Method.ConnectionStartOk);

    /// <summary>A queue is declared, actively or passively.</summary>
    public static FaultTrigger QueueDeclare() => new(Protocol.Method.QueueDeclare);

    /// <summary>A consumer is started.</summary>
    public static FaultTrigger Consume() => new(Protocol.Method.BasicConsume);

    /// <summary>
    /// A client sends a method, by its name in the specification: <c>exchange.declare</c>, <c>channel.open</c>,
    /// <c>basic.get</c>, ….
    /// </summary>
    /// <exception cref="ArgumentException">No such method, or one that scripts cannot catch.</exception>
    public static FaultTrigger OnMethod(string name) => new(Protocol.Method.Find(name));

    /// <summary>Only on connections of this name (the client's <c>connection_name</c>).</summary>
    /// <exception cref="ArgumentException">The name is not known yet: <see cref="Connect"/>.</exception>
    public FaultTrigger OnConnection(string name)
        => Knowing("connection name", Method != FaultScene.Connecting) with { Connection = name };

    /// <summary>Only on channels of this number.</summary>
    /// <exception cref="ArgumentException">The moment is one of the connection itself.</exception>
    public FaultTrigger OnChannel(int number) => Knowing("channel", FaultScene.HasChannel(Method)) with
    {
        Channel = number
    };

    /// <summary>Only for this queue: the one that is declared, consumed, delivered from or settled.</summary>
    /// <exception cref="ArgumentException">The moment has no queue. A publish has none, as it is not yet routed: use
    /// <see cref="Where"/> with its exchange and routing key.</exception>
    public FaultTrigger ForQueue(string name)
        => Knowing("queue", FaultScene.HasQueue(Method)) with { Queue = name };

    /// <summary>Only for this exchange; the empty name is the default exchange.</summary>
    /// <exception cref="ArgumentException">The moment has no exchange.</exception>
    public FaultTrigger ForExchange(string name)
        => Knowing("exchange", FaultScene.HasExchange(Method)) with { Exchange = name };

    /// <summary>Only for messages with this <c>message-id</c>.</summary>
    /// <exception cref="ArgumentException">The moment has no message.</exception>
    public FaultTrigger WithMessageId(string id)
        => Knowing("message", FaultScene.HasMessage(Method)) with { MessageId = id };

    /// <summary>
    /// Only when the condition holds. It runs inside the broker: quick, and without waiting for anything.
    /// </summary>
    public FaultTrigger Where(Func<FaultMoment, bool> condition) => this with { Condition = condition };

    /// <summary>Only the n-th time, counted from 1.</summary>
    public FaultTrigger Nth(int n) => this with { First = n, Limit = 1 };

    /// <summary>Each time after the n-th.</summary>
    public FaultTrigger After(int n) => this with { First = n + 1L };

    /// <summary>
    /// One in n: with a seed a random one of each n, the same ones for the same seed; without, the last of each n.
    /// </summary>
    public FaultTrigger EveryNth(int n, int? seed = null) => this with { Every = Math.Max(1, n), Seed = seed };

    /// <summary>At most so many times.</summary>
    public FaultTrigger Times(int count) => this with { Limit = count };

    private FaultTrigger Knowing(string what, bool known) => known
        ? this
        : throw new ArgumentException($"This would never happen: no {what} is known at such a moment.");

    internal bool Fits(FaultScene scene) =>
        scene.Method == Method
        && (Connection is null || scene.Connection.Name == Connection)
        && (Channel is null || scene.Channel?.Number == Channel)
        && (Queue is null || scene.Queue == Queue)
        && (Exchange is null || scene.Exchange == Exchange)
        && (MessageId is null || scene.Properties?.MessageId == MessageId)
        && (Condition is null || Condition(scene.ToMoment()));
}
