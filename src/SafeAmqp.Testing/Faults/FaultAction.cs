using SafeAmqp.Testing.Faults;

namespace SafeAmqp.Testing;

/// <summary>What goes wrong. Made by the static methods; several are joined with <see cref="Then"/>.</summary>
public sealed class FaultAction
{
    private readonly Func<FaultScene, bool> _act;

    private FaultAction(Func<FaultScene, bool> act) => _act = act;

    /// <summary>The broker closes the connection with connection.close.</summary>
    /// <param name="code">The reply code, for example 320.</param>
    /// <param name="text">The text behind the code's name: <c>CONNECTION_FORCED - text</c>.</param>
    public static FaultAction CloseConnection(int code = ReplyCode.ConnectionForced, string text = "closed by script")
        => Consuming(scene =>
        scene.Connection.Fail(new AmqpError((ushort)code, text) { IsHard = true }, 0));

    /// <summary>The broker closes the channel with channel.close.</summary>
    public static FaultAction CloseChannel(int code = ReplyCode.PreconditionFailed, string text = "closed by script")
        => Consuming(scene =>
        scene.Channel?.Fail(new AmqpError((ushort)code, text), scene.Method > FaultScene.Publishing
            ? scene.Method
            : 0));

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

    /// <summary>The method is swallowed: it has no effect and no answer.</summary>
    public static FaultAction Ignore() => Consuming(static _ => { });

    /// <summary>
    /// The method is carried out and answered only after this time; what follows on the connection waits behind it.
    /// </summary>
    /// <remarks>For a publish it is the confirm that comes late.</remarks>
    public static FaultAction AnswerLate(TimeSpan delay) => new(scene =>
    {
        if (scene.Method == Method.BasicPublish)
        {
            scene.Hold = new ConfirmHold(delay, 0, scene.Connection.Broker.Random);
            return false;
        }
        scene.Connection.AnswerLate(delay);
        return true;
    });

    /// <summary>
    /// The message is taken in, its confirm comes after this time. Later confirms do not wait and do not include it.
    /// </summary>
    public static FaultAction DelayConfirm(TimeSpan delay)
        => Changing(scene => scene.Hold = new ConfirmHold(delay, 0, scene.Connection.Broker.Random));

    /// <summary>The message is taken in, and never confirmed.</summary>
    public static FaultAction DropConfirm()
        => Changing(scene => scene.Hold = new ConfirmHold(null, 0, scene.Connection.Broker.Random));

    /// <summary>
    /// Confirms are kept until there are so many, and then sent one by one in an order that the seed decides.
    /// </summary>
    public static FaultAction ReorderConfirms(int count, int seed)
    {
        var random = new Random(seed);
        return Changing(scene => scene.Hold = new ConfirmHold(null, Math.Max(2, count), random));
    }

    /// <summary>The message is not taken in, and basic.nack says so.</summary>
    public static FaultAction Nack() => Changing(scene => scene.Verdict = PublishVerdict.Nack);

    /// <summary>
    /// The message is not routed and comes back with basic.return, mandatory or not, before it is confirmed.
    /// </summary>
    public static FaultAction Return(int code = ReplyCode.NoRoute, string text = "NO_ROUTE") => Changing(scene =>
    {
        scene.Verdict = PublishVerdict.Return;
        scene.ReturnCode = (ushort)code;
        scene.ReturnText = text;
    });

    /// <summary>
    /// The consumer is cancelled by the broker (basic.cancel), as when its queue is deleted. Without a consumer at
    /// hand: all of the channel.
    /// </summary>
    public static FaultAction CancelConsumer() => Changing(scene =>
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
    });

    /// <summary>
    /// The message is given out once more, marked as redelivered: on a delivery that one is lost, on an ack the ack is.
    /// </summary>
    public static FaultAction Redeliver() => Consuming(scene =>
    {
        if (scene.Channel is { } channel)
            channel.Broker.Loop.Later(() => channel.Redeliver(scene.DeliveryTag));
    });

    /// <summary>
    /// The broker raises its alarm: publishers are told (connection.blocked) and not read from any more.
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
            MalformedFrames.Make(kind, scene.Channel?.Number ?? 0, scene.Connection.Broker.Random)));

    /// <summary>The broker sends these octets as they are, whole frames or not.</summary>
    public static FaultAction Send(ReadOnlyMemory<byte> octets)
        => Changing(scene => scene.Connection.WriteRaw(octets.Span));

    /// <summary>First this action, then another, at the same moment.</summary>
    public FaultAction Then(FaultAction next)
    {
        ArgumentNullException.ThrowIfNull(next);
        return new FaultAction(scene => Act(scene) | next.Act(scene));
    }

    /// <summary>True when the moment is used up: what would have followed must not.</summary>
    internal bool Act(FaultScene scene) => _act(scene);

    private static FaultAction Consuming(Action<FaultScene> act) => new(scene =>
    {
        act(scene);
        return true;
    });

    private static FaultAction Changing(Action<FaultScene> act) => new(scene =>
    {
        act(scene);
        return false;
    });
}
