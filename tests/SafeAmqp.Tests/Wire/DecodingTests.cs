using System.Buffers.Binary;
using System.Text;
using SafeAmqp.Actor;
using SafeAmqp.Broker;
using SafeAmqp.Transport;
using SafeAmqp.Wire;

namespace SafeAmqp.Tests.Wire;

/// <summary>
/// What is taken out of the broker's frames: confirms, returns and deliveries, each as one signal, in order, stamped
/// with the channel's incarnation.
/// </summary>
public sealed class DecodingTests
{
    private const ushort Channel = 5;
    private const long Incarnation = 77;

    private readonly List<BrokerSignal> _signals = [];
    private readonly PassCounter _sink;
    private readonly FrameReader _frames;

    public DecodingTests()
    {
        _sink = new PassCounter(new SignalSink(_signals.Add, new InboundPipe()));
        _frames = new FrameReader(FrameFormat.MaxFrameSize, maxBodySize: 128L << 20, _sink);
        _frames.Own(Channel, Incarnation);
    }

    [Theory, InlineData(80, false), InlineData(80, true), InlineData(120, false), InlineData(120, true)]
    public void Confirms_are_taken_with_their_number_and_reach(int method, bool multiple)
    {
        Assert.True(Take(Method(60, method, [.. LongLong(0x0102030405060708), (byte)(multiple ? 1 : 0)])));
        BrokerSignal signal = Assert.Single(_signals);
        (long, ulong, bool) seen = signal is BrokerSignal.Acked ack ? (ack.Incarnation, ack.Sequence, ack.Multiple)
            : signal is BrokerSignal.Nacked nack ? (nack.Incarnation, nack.Sequence, nack.Multiple) : default;
        Assert.Equal((Incarnation, 0x0102030405060708UL, multiple), seen);
        Assert.Equal(method == 80, signal is BrokerSignal.Acked);
    }

    [Theory, InlineData(0), InlineData(1), InlineData(100_000), InlineData(3_000_000)]
    public void A_delivery_is_one_signal_however_many_frames_its_body_takes(int size)
    {
        byte[] body = new byte[size];
        new Random(size).NextBytes(body);
        Deliver(9, redelivered: true, "orders", "new", new AmqpMessage
        {
            Body = body,
            CorrelationId = "c",
            Headers = new Dictionary<string, object?> { ["n"] = 4 }
        });
        var delivered = Assert.IsType<BrokerSignal.Delivered>(Assert.Single(_signals));
        Assert.Equal((Incarnation, 9UL, true), (delivered.Incarnation, delivered.Tag, delivered.IsRedelivered));
        Assert.Equal(("orders", "new", "c", 4), (delivered.Message.Exchange, delivered.Message.RoutingKey,
            delivered.Message.CorrelationId, (int)delivered.Message.Headers!["n"]!));
        Assert.Equal(body, delivered.Message.Body.ToArray());
    }

    [Theory, InlineData(100), InlineData(3_000_000)]
    public void A_message_whose_headers_cannot_be_read_keeps_its_body(int size)
    {
        byte[] body = new byte[size];
        new Random(size).NextBytes(body);
        Deliver(9, redelivered: false, "orders", "new", new AmqpMessage { Body = body, Headers = Nested(70) });
        var delivered = Assert.IsType<BrokerSignal.Delivered>(Assert.Single(_signals));
        Assert.NotNull(delivered.Flaw);
        Assert.Equal(body, delivered.Message.Body.ToArray());
    }

    [Fact]
    public void A_message_that_is_too_large_and_unreadable_is_too_large()
    {
        var frames = new FrameReader(FrameFormat.MaxFrameSize, maxBodySize: 99, _sink);
        frames.Own(Channel, Incarnation);
        var message = new AmqpMessage { Body = new byte[100], Headers = Nested(70) };
        foreach (byte[] frame in Delivery(9, "orders", "new", message))
            frames.Check(frame);
        Assert.Equal(100, Assert.IsType<BrokerSignal.Delivered>(Assert.Single(_signals)).Flaw!.TooLarge);
    }

    [Fact]
    public void Deliveries_after_one_another_keep_nothing_of_each_other()
    {
        Deliver(1, redelivered: false, "a", "x", new AmqpMessage
        {
            Body = "first"u8.ToArray(),
            Type = "t",
            Headers = new Dictionary<string, object?> { ["h"] = "long enough to be kept" }
        });
        Deliver(2, redelivered: false, "b", "x", new AmqpMessage { Body = "2"u8.ToArray(), Persistent = false });
        AmqpMessage[] messages = [.. _signals.Cast<BrokerSignal.Delivered>().Select(signal => signal.Message)];
        Assert.Equal(("a", "x", "t", "first"), (messages[0].Exchange, messages[0].RoutingKey, messages[0].Type,
            Encoding.UTF8.GetString(messages[0].Body.Span)));
        Assert.Equal(("b", "x", null, "2", false), (messages[1].Exchange, messages[1].RoutingKey, messages[1].Type,
            Encoding.UTF8.GetString(messages[1].Body.Span), messages[1].Persistent));
        Assert.Empty(messages[1].Headers!);
    }

    [Fact]
    public void A_header_is_the_same_whether_it_is_asked_for_alone_or_with_all()
    {
        var headers = new Dictionary<string, object?>
        {
            ["n"] = 4,
            ["text"] = "some",
            ["grün"] = true,
            ["list"] = new List<object?> { 1, "two" },
            ["none"] = null,
        };
        Deliver(1, redelivered: false, "", "q", new AmqpMessage { Headers = headers }, slot: 12);
        IReadOnlyDictionary<string, object?> read = Assert.IsType<BrokerSignal.Delivered>(_signals[0]).Message.Headers!;
        foreach (var (name, value) in headers)
        {
            Assert.True(read.TryGetValue(name, out object? found));
            Assert.Equal(value, found);
        }
        foreach (string missing in (string[])["x-safeamqp-slot", "tex", "text ", "grun", ""])
            Assert.False(read.ContainsKey(missing));
        Assert.Equal(headers.OrderBy(pair => pair.Key), read.OrderBy(pair => pair.Key));
        Assert.True(read.TryGetValue("n", out object? again)); // now that all were read
        Assert.Equal(4, again);
        Assert.False(read.ContainsKey("x-safeamqp-slot"));
    }

    [Fact]
    public void Of_two_headers_of_one_name_the_last_counts_as_it_does_among_all()
    {
        byte[] table = [.. Short("n"), (byte)'I', 0, 0, 0, 1, .. Short("n"), (byte)'I', 0, 0, 0, 2];
        byte[] bytes = [0x20, 0, 0, 0, 0, (byte)table.Length, .. table];
        IReadOnlyDictionary<string, object?> read = ContentHeader.Read(bytes, "", "", [], new RecentText(), out _)
            .Headers!;
        Assert.Equal(2, read.GetValueOrDefault("n"));
        Assert.Equal(2, Assert.Single(read).Value);
    }

    [Fact]
    public void A_callers_deadline_leaves_as_a_header_in_place_of_an_earlier_one()
    {
        const string Name = Outgoing.DeadlineHeader;
        var request = new AmqpMessage { Headers = new Dictionary<string, object?> { [Name] = 1L, ["own"] = 2 } };
        var outgoing = new Outgoing(request)
        {
            Exchange = "e",
            RoutingKey = "k",
            CorrelationId = "c",
            ReplyTo = "r",
            Expiration = TimeSpan.FromMilliseconds(1500),
            Deadline = 1_800_000_000_000,
        };
        var sent = PublishedFrames.Read(outgoing, slot: 3);
        Assert.Equal(("e", "k"), (sent.Exchange, sent.RoutingKey));
        AmqpMessage read = ContentHeader.Read(sent.Header, "e", "k", [], new RecentText(), out _);
        Assert.Equal(("c", "r", TimeSpan.FromMilliseconds(1500)), (read.CorrelationId, read.ReplyTo, read.Expiration));
        var expected = new Dictionary<string, object?> { [Name] = 1_800_000_000_000, ["own"] = 2 };
        Assert.Equal(expected, read.Headers!.ToDictionary());
        Assert.Equal(expected, outgoing.ToMessage().Headers!.ToDictionary());
        Assert.Equal(1L, request.Headers[Name]);
    }

    [Fact]
    public void A_return_comes_before_its_ack_with_its_slot_and_its_reason()
    {
        Assert.True(Take(Method(60, 50, [1, 56, .. Short("NO_ROUTE"), .. Short("orders"), .. Short("new")])));
        foreach (byte[] frame in Content(
            new AmqpMessage { Body = new byte[10], ContentType = "a/b", ContentEncoding = "e" }, slot: 12))
            Assert.True(Take(frame));
        Assert.True(Take(Method(60, 80, [.. LongLong(3), 0])));
        var returned = Assert.IsType<BrokerSignal.Returned>(_signals[0]);
        Assert.Equal(
            (Incarnation, 12, 312, "NO_ROUTE"), (returned.Incarnation, returned.Slot, returned.Code, returned.Text));
        Assert.IsType<BrokerSignal.Acked>(_signals[1]);
    }

    [Fact]
    public void That_a_consumer_began_is_told_before_its_first_delivery_and_goes_on_as_well()
    {
        Assert.False(Take(Method(60, 21, Short("tag"))));
        Deliver(1, redelivered: false, "", "q", new AmqpMessage());
        Assert.IsType<BrokerSignal.ConsumerStarted>(_signals[0]);
        Assert.IsType<BrokerSignal.Delivered>(_signals[1]);
    }

    [Fact]
    public void A_message_that_was_got_is_decoded_as_a_delivery_and_an_empty_queue_is_told()
    {
        Assert.True(Take(Method(60, 71, [.. LongLong(7), 1, .. Short("orders"), .. Short("new"), 0, 0, 0, 3])));
        foreach (byte[] frame in Content(new AmqpMessage { Body = "body"u8.ToArray() }, slot: -1))
            Assert.True(Take(frame));
        Assert.True(Take(Method(60, 72, Short(""))));
        var got = Assert.IsType<BrokerSignal.Delivered>(_signals[0]);
        Assert.Equal((Incarnation, 7UL, true, "orders", "new", "body"), (got.Incarnation, got.Tag, got.IsRedelivered,
            got.Message.Exchange, got.Message.RoutingKey, Encoding.UTF8.GetString(got.Message.Body.Span)));
        Assert.Equal(new BrokerSignal.FoundEmpty(Incarnation), _signals[1]);
        Assert.Throws<FrameViolationException>( // without the count
            () => Take(Method(60, 71, [.. LongLong(8), 0, .. Short(""), .. Short("q")])));
    }

    [Fact]
    public void Frames_of_other_channels_and_of_other_methods_go_on()
    {
        Assert.False(Take(Method(60, 80, [.. LongLong(1), 0], channel: 6)));
        Assert.False(Take(Method(60, 80, [.. LongLong(1), 0], channel: 0)));
        Assert.False(Take(Method(20, 40, [0, 200, .. Short("bye"), 0, 0, 0, 0])));
        Assert.False(Take(Method(60, 30, [.. Short("tag"), 0])));
        Assert.False(Take(Frame(8, 0, [])));
        Assert.Empty(_signals);
    }

    [Fact]
    public void Messages_on_two_channels_may_come_mixed()
    {
        _frames.Own(6, 78);
        byte[][] one = Delivery(1, "", "one", new AmqpMessage { Body = new byte[200_000] }, Channel),
            two = Delivery(1, "", "two", new AmqpMessage { Body = new byte[200_000] }, 6);
        foreach (var (first, second) in one.Zip(two))
        {
            Assert.True(Take(first));
            Assert.True(Take(second));
        }
        Assert.Equal(
            [(Incarnation, "one"), (78, "two")],
            _signals.Cast<BrokerSignal.Delivered>().Select(signal => (signal.Incarnation, signal.Message.RoutingKey)));
    }

    public static TheoryData<string> Breaches
        => ["method for header", "body for header", "method for body", "header for body", "more body"];

    [Theory, MemberData(nameof(Breaches))]
    public void A_frame_that_may_not_follow_ends_the_link(string breach)
    {
        byte[][] frames = Delivery(1, "", "q", new AmqpMessage { Body = new byte[100] });
        byte[] wrong = breach switch
        {
            "method for header" or "method for body" => frames[0],
            "header for body" => frames[1],
            "body for header" => frames[2],
            _ => Frame(3, Channel, new byte[101]),
        };
        foreach (byte[] frame in frames[..(breach.EndsWith("header", StringComparison.Ordinal) ? 1 : 2)])
            Take(frame);
        var error = Assert.Throws<FrameViolationException>(() => Take(wrong));
        Assert.Equal(FrameRule.FrameOrder, error.Rule);
        Assert.Contains("channel 5", error.Message, StringComparison.Ordinal);
    }

    // Whether it was kept from RabbitMQ.Client.
    private bool Take(byte[] frame)
    {
        int passed = _sink.Passed;
        _frames.Check(frame);
        return _sink.Passed == passed;
    }

    private void Deliver(
        ulong tag, bool redelivered, string exchange, string key, AmqpMessage message, int slot = -1)
    {
        byte[][] frames = Delivery(tag, exchange, key, message, slot: slot);
        if (redelivered)
            frames[0] = Method(60, 60, [.. Short("consumer"), .. LongLong(tag), 1, .. Short(exchange), .. Short(key)]);
        Assert.All(frames, frame => Assert.True(Take(frame)));
    }

    private static Dictionary<string, object?> Nested(int depth)
        => new() { ["inner"] = depth == 0 ? 1 : Nested(depth - 1) };

    private static byte[][] Delivery(
        ulong tag, string exchange, string key, AmqpMessage message, ushort channel = Channel, int slot = -1)
        => [
            Method(60, 60, [.. Short("consumer"), .. LongLong(tag), 0, .. Short(exchange), .. Short(key)], channel),
            .. Content(message, slot, channel)];

    // As we would send it, without the method in front.
    private static List<byte[]> Content(AmqpMessage message, int slot, ushort channel = Channel)
    {
        var buffer = new FrameBuffer();
        FrameWriter.Publish(buffer, channel, message, slot, maxFrame: 131_072);
        return [.. PublishedFrames.Split(buffer.Written.Span, channel).Skip(1)
            .Select(frame => Frame(frame.Type, channel, frame.Payload))];
    }

    private static byte[] Method(int classId, int method, byte[] arguments, ushort channel = Channel)
        => Frame(1, channel, [0, (byte)classId, 0, (byte)method, .. arguments]);

    private static byte[] Frame(byte type, ushort channel, byte[] payload)
    {
        byte[] size = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(size, payload.Length);
        return [type, (byte)(channel >> 8), (byte)channel, .. size, .. payload, 0xCE];
    }

    private static byte[] LongLong(ulong value)
    {
        byte[] bytes = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, value);
        return bytes;
    }

    private static byte[] Short(string text) => [(byte)text.Length, .. Encoding.ASCII.GetBytes(text)];

    private sealed class PassCounter(IFrameSink inner) : IFrameSink
    {
        internal int Passed { get; private set; }

        public void Acked(long channel, ulong sequence, bool multiple) => inner.Acked(channel, sequence, multiple);
        public void Nacked(long channel, ulong sequence, bool multiple) => inner.Nacked(channel, sequence, multiple);
        public void Returned(long channel, int slot, int code, string text)
            => inner.Returned(channel, slot, code, text);
        public void Delivered(long channel, ulong tag, bool redelivered, AmqpMessage message, DeliveryFlaw? flaw)
            => inner.Delivered(channel, tag, redelivered, message, flaw);
        public void FoundEmpty(long channel) => inner.FoundEmpty(channel);
        public void ConsumerStarted(long channel) => inner.ConsumerStarted(channel);
        public void Pass(ReadOnlySpan<byte> frames) => Passed++;
    }
}
