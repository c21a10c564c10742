namespace SafeAmqp.Testing.Loop;

/// <summary>
/// All that differs between the versions of RabbitMQ and that a client can see. Each rule was found by trying both.
/// </summary>
internal sealed class VersionRules(RabbitMqVersion version)
{
    private readonly bool _is4 = version >= RabbitMqVersion.RabbitMq40;

    /// <summary>What the server's properties say.</summary>
    public string Version => _is4 ? "4.0.5" : "3.10.8";

    /// <summary>The protocol header that answers an unknown one: 4.0 offers AMQP 1.0 with SASL.</summary>
    public ReadOnlySpan<byte> OfferedProtocol => _is4 ? "AMQP\u0003\u0001\0\0"u8 : "AMQP\0\0\u0009\u0001"u8;

    /// <summary>An unknown exchange type costs the connection (503) or only the channel (406).</summary>
    public ushort UnknownExchangeType => _is4 ? ReplyCode.PreconditionFailed : ReplyCode.CommandInvalid;

    /// <summary>
    /// How often a message may return to a quorum queue that was declared without a limit; null is any number of times.
    /// </summary>
    public long? DeliveryLimit => _is4 ? 20 : null;

    /// <summary>A negative limit of returns means none.</summary>
    public bool NegativeLimitIsNone => _is4;

    /// <summary>basic.get shows an <c>x-delivery-count</c> of 0; later versions leave it out.</summary>
    public bool ShowsFirstDelivery => !_is4;

    /// <summary>Rejections in one quorum queue count as deliveries in the next.</summary>
    public bool ShowsRejections => _is4;

    /// <summary>
    /// A message's properties are written again when it is published, its headers in the order of their names;
    /// otherwise they stay as they came until the message is dead-lettered.
    /// </summary>
    public bool NormalizesProperties => _is4;

    /// <summary>A delivery mode that is neither 1 nor 2 is refused.</summary>
    public bool ChecksDeliveryMode => !_is4;

    /// <summary>A headers binding that wants a whole number takes a floating-point one of the same value.</summary>
    public bool MixesNumbers => !_is4;

    /// <summary>
    /// A header that is a time counts as so many units a second to a headers binding, whose own times count as seconds.
    /// </summary>
    public int HeaderTimeUnits => _is4 ? 1000 : 1;

    /// <summary>Where a dead letter's expiration stands among the facts of its death.</summary>
    public bool PutsExpirationFirst => _is4;

    /// <summary>
    /// An <c>x-death</c> that a client publishes is taken for one that the broker wrote, and counted up.
    /// </summary>
    public bool ReadsPublishedDeaths => !_is4;

    /// <summary>A dead letter tells where it died last, beside where it died first.</summary>
    public bool WritesLastDeath => _is4;

    /// <summary>A dead letter with a routing key of its own keeps the header CC.</summary>
    public bool KeepsCopies => _is4;

    /// <summary>Quorum queues give two messages of priority 5 or higher for each lower one.</summary>
    public bool HasQuorumPriorities => _is4;

    /// <summary>
    /// Of the consumers of a quorum queue that has one active at a time, it is the one with the highest priority.
    /// </summary>
    public bool PromotesByPriority => _is4;

    /// <summary>A queue's argument <c>x-consumer-timeout</c> counts.</summary>
    public bool HasQueueTimeouts => _is4;

    /// <summary>Every queue has an <c>x-queue-type</c>, whether it was declared with one or not.</summary>
    public bool TypeIsAlwaysThere => _is4;

    /// <summary>Classic queues take <c>x-queue-leader-locator</c>.</summary>
    public bool LocatesClassicQueues => _is4;

    /// <summary>
    /// A message of a stream that is given back or rejected is skipped; otherwise the connection ends.
    /// </summary>
    public bool SkipsRefusedOfStreams => _is4;

    /// <summary>A consumer of a stream gets the chunk that it has begun, whatever its prefetch.</summary>
    public bool SendsWholeChunks => !_is4;

    /// <summary>Consumers of streams may want some of the messages only.</summary>
    public bool FiltersStreams => _is4;

    /// <summary>
    /// What a stream keeps comes back with more of AMQP 1.0 in it: a delivery mode, and binary as text; but with tables
    /// and arrays in headers that begin with x-.
    /// </summary>
    public bool StoresLikeAmqp10 => _is4;

    /// <summary>Classic queues are not mirrored, and what a consumer wants of that is ignored.</summary>
    public bool HasNoMirrors => _is4;

    /// <summary>How the refusal of a consumer without acknowledgements names a stream.</summary>
    public string StreamNoun => _is4 ? "stream" : "stream queues";

    /// <summary>The refusal of a consumer of a stream without a prefetch.</summary>
    public string StreamPrefetchMissing(string queue) =>
        $"consumer prefetch count is not set for {(_is4 ? $"stream {queue}" : $"'{queue}'")}";

    /// <summary>A refusal (403) says which right was missing.</summary>
    public bool NamesPermission => _is4;

    /// <summary>max_message_size, in octets of a body.</summary>
    public static int DefaultMaxMessageSize(RabbitMqVersion version) =>
        version >= RabbitMqVersion.RabbitMq40 ? 16 << 20 : 128 << 20;
}
