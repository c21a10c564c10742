using SafeAmqp.Testing.Connections;
using SafeAmqp.Testing.Faults;

namespace SafeAmqp.Testing;

/// <summary>What goes wrong. Made by the static methods; several are joined with <see cref="Then"/>.</summary>
public sealed class FaultAction
{
    private readonly Step[] _steps;

    private FaultAction(params Step[] steps) => _steps = steps;

    /// <summary>The broker closes the connection with connection.close.</summary>
    /// <param name="code">The reply code, for example 320.</param>
    /// <param name="text">The text behind the code's name: <c>CONNECTION_FORCED - text</c>.</param>
    public static FaultAction CloseConnection(int code = ReplyCode.ConnectionForced, string text = "closed by script")
        => Consuming(scene =>
        scene.Connection.Fail(new AmqpError((ushort)code, text) { IsHard = true }, 0));

    /// <summary>The broker closes the channel with channel.close.</summary>
    public static FaultAction CloseChannel(int code = ReplyCode.PreconditionFailed, string text = "closed by script")
        => OfChannel(scene =>
        scene.Channel?.Fail(new AmqpError((ushort)code, text), scene.Method > FaultScene.Publishing
            ? scene.Method
            : 0), consumes: true);

    /// <summary>The socket closes (FIN) without a word of the protocol.</summary>
    public static FaultAction Drop() => Consuming(scene => scene.Connection.Drop(reset: false));

    /// <summary>The socket is reset (RST), as when the machine behind it has crashed.</summary>
    public static FaultAction Reset() => Consuming(scene => scene.Connection.Drop(reset: true));

    /// <summary>The connection stays open, and nothing is read or answered any more.</summary>
    public static FaultAction Freeze() => Consuming(scene => scene.Connection.Freeze());

    /// <summary>
    /// From now on at most so many octets a second pass on this connection, in one direction or in both.
    /// </summary>
    /// <param name="bytesPerSecond">Octets a second, in each direction that is slowed; 0 lifts the limit.</param>
    /// <param name="direction">What the broker sends, what it reads, or both. What a client sends fills the system's
    /// socket buffers before it notices.</param>
    public static FaultAction Slow(int bytesPerSecond, FaultDirection direction = FaultDirection.ToClient)
        => Changing(scene =>
        scene.Connection.SlowTo(Math.Max(0, bytesPerSecond), direction));

    /// <summary>
    /// After so many further octets from the broker, wherever that is in a frame or a body, the socket closes.
    /// </summary>
    public static FaultAction CutAfter(int bytes) => Changing(scene => scene.Connection.CutAfter(bytes));

    /// <summary>
    /// The method is swallowed: it has no effect and no answer. A message is swallowed to its last octet and never
    /// confirmed.
    /// </summary>
    public static FaultAction Ignore() => Consuming(static _ => { });

    /// <summary>
    /// The method is carried out and answered only after this time; what follows on the connection waits behind it.
    /// </summary>
    /// <remarks>For a publish it is the confirm that comes late. What is no method of a client's has no answer:
    /// <see cref="FaultTrigger.Connect"/>, <see cref="FaultTrigger.Publishing"/>, <see cref="FaultTrigger.Deliver"/>
    /// and <see cref="AmqpTestBroker.InjectAsync"/> refuse it.</remarks>
    public static FaultAction AnswerLate(TimeSpan delay) => new(new Step(scene =>
    {
        if (scene.Method == Method.BasicPublish)
        {
            scene.Hold = new ConfirmHold(delay);
            return false;
        }
        scene.Connection.AnswerLate(delay);
        return true;
    })
    {
        Needs = "a method that a client sends",
        Fits = static moment => moment > FaultScene.Publishing && moment != Method.BasicDeliver,
    });

    /// <summary>
    /// The message is taken in, its confirm comes after this time. Later confirms do not wait and do not include it.
    /// </summary>
    /// <remarks>At <see cref="FaultTrigger.Publish"/> only, like all actions on what a publisher hears.</remarks>
    public static FaultAction DelayConfirm(TimeSpan delay)
        => OfPublish(scene => scene.Hold = new ConfirmHold(delay));

    /// <summary>The message is taken in, and never confirmed.</summary>
    public static FaultAction DropConfirm() => OfPublish(scene => scene.Hold = ConfirmHold.ForEver);

    /// <summary>
    /// Confirms are kept until there are so many, and then sent one by one in an order that the seed decides.
    /// </summary>
    public static FaultAction ReorderConfirms(int count, int seed)
    {
        var random = new Random(seed);
        return OfPublish(scene => scene.Hold = new ConfirmHold(null, Math.Max(2, count), random));
    }

    /// <summary>The message is not taken in, and basic.nack says so.</summary>
    public static FaultAction Nack() => OfPublish(scene => scene.Verdict = PublishVerdict.Nack);

    /// <summary>
    /// The message is not routed and comes back with basic.return, mandatory or not, before it is confirmed.
    /// </summary>
    public static FaultAction Return(int code = ReplyCode.NoRoute, string text = "NO_ROUTE") => OfPublish(scene =>
    {
        scene.Verdict = PublishVerdict.Return;
        scene.ReturnCode = (ushort)code;
        scene.ReturnText = text;
    });

    /// <summary>
    /// The consumer is cancelled by the broker (basic.cancel), as when its queue is deleted. Without a consumer at
    /// hand: all of the channel.
    /// </summary>
    public static FaultAction CancelConsumer() => OfChannel(scene =>
    {
        if (scene.Channel is not { } channel)
            return;
        // After the step at hand: a delivery under way is still the consumer's.
        channel.Broker.Loop.Later(() =>
        {
            foreach (Channels.Consumer consumer in channel.Consumers.ToArray())
                if (scene.Consumer is null || scene.Consumer == consumer)
                    channel.CancelByBroker(consumer);
        });
    }, consumes: false);

    /// <summary>
    /// The message is given out once more, marked as redelivered: on a delivery that one is lost, on an ack, nack or
    /// reject that is. Other moments are refused.
    /// </summary>
    public static FaultAction Redeliver() => new(new Step(static scene =>
    {
        if (scene.Channel is { } channel)
            channel.Broker.Loop.Later(() => channel.Redeliver(scene.DeliveryTag));
        return true;
    })
    {
        Needs = "a delivery or its settlement",
        Fits = static moment => moment is Method.BasicDeliver or Method.BasicAck or Method.BasicNack
            or Method.BasicReject,
    });

    /// <summary>
    /// The broker raises its alarm: a publisher is told (connection.blocked) with the next message that it sends, and
    /// not read from any more.
    /// </summary>
    public static FaultAction Block(string reason = "low on memory")
        => Changing(scene => scene.Connection.Broker.SetAlarm(reason));

    /// <summary>The broker takes its alarm back.</summary>
    public static FaultAction Unblock() => Changing(scene => scene.Connection.Broker.SetAlarm(null));

    /// <summary>The login is refused as if the password were wrong (403).</summary>
    public static FaultAction RefuseAuthentication() => Consuming(scene => scene.Connection.RefuseLogin("PLAIN"));

    /// <summary>The broker sends a frame that breaks the protocol.</summary>
    public static FaultAction Malformed(MalformedFrame kind) => Changing(scene =>
        scene.Connection.WriteRaw(
            MalformedFrames.Make(kind, scene.Channel?.Number ?? 0, scene.Connection.Broker.Random)),
        MalformedFrames.AreOfChannel(kind));

    /// <summary>The broker sends these octets as they are, whole frames or not.</summary>
    public static FaultAction Send(ReadOnlyMemory<byte> octets)
        => Changing(scene => scene.Connection.WriteRaw(octets.Span));

    /// <summary>First this action, then another, at the same moment.</summary>
    public FaultAction Then(FaultAction next)
    {
        ArgumentNullException.ThrowIfNull(next);
        return new FaultAction([.. _steps, .. next._steps]);
    }

    /// <summary>True when the moment is used up: what would have followed must not.</summary>
    internal bool Act(FaultScene scene)
    {
        bool used = false;
        foreach (Step step in _steps)
            used |= step.Act(scene);
        return used;
    }

    /// <summary>Each step once, or once on each channel that there is.</summary>
    internal void Inject(Connection connection)
    {
        foreach (Step step in _steps)
        {
            Channels.Channel?[] channels = step.IsOfChannel ? [.. connection.Channels] : [];
            foreach (Channels.Channel? channel in channels is [] ? [null] : channels)
                step.Act(new FaultScene(connection, channel, FaultScene.Injecting));
        }
    }

    /// <exception cref="ArgumentException">A part of it cannot happen at this moment.</exception>
    internal void Check(uint moment, string parameter)
    {
        if (Array.Find(_steps, step => !step.Fits(moment)) is { } misfit)
            throw new ArgumentException($"This can happen only to {misfit.Needs}.", parameter);
    }

    private static FaultAction Consuming(Action<FaultScene> act) => new(new Step(scene =>
    {
        act(scene);
        return true;
    }));

    private static FaultAction Changing(Action<FaultScene> act, bool isOfChannel = false) => new(new Step(scene =>
    {
        act(scene);
        return false;
    })
    { IsOfChannel = isOfChannel });

    private static FaultAction OfChannel(Action<FaultScene> act, bool consumes) => new(new Step(scene =>
    {
        act(scene);
        return consumes;
    })
    {
        IsOfChannel = true,
        Needs = "a channel",
        Fits = static moment => moment == FaultScene.Injecting || FaultScene.HasChannel(moment),
    });

    private static FaultAction OfPublish(Action<FaultScene> act) => new(new Step(scene =>
    {
        act(scene);
        return false;
    })
    { Needs = "a publish", Fits = static moment => moment == Method.BasicPublish });

    private sealed class Step(Func<FaultScene, bool> act)
    {
        public Func<FaultScene, bool> Act => act;

        /// <summary>What it happens to, where that is not everything.</summary>
        public string Needs { get; init; } = "";

        /// <summary>Whether it can happen at a moment.</summary>
        public Func<uint, bool> Fits { get; init; } = static _ => true;

        /// <summary>It concerns one channel, and not its connection as a whole.</summary>
        public bool IsOfChannel { get; init; }
    }
}
