using System.Collections.Concurrent;
using static SafeAmqp.FaultTests.Support.ScriptedBroker;
using static TestSupport.Wire.Frames;

namespace SafeAmqp.FaultTests.Hostile;

// What is wrong with a message whose frames are sound is that message's misfortune alone.
public sealed class UnreadableTests : FaultCase
{
    public static TheoryData<string> Kinds => [.. Headers.Keys];

    private static Dictionary<string, (byte[] Header, string? Flaw)> Headers { get; } = new()
    {
        ["a long as Celery writes it"] = (Of(Table(Entry("k", [(byte)'L', .. Long(1L << 40)]))), null),
        ["a decimal of scale 29"] = (Of(Table(Entry("k", (byte)'D', 29, 0xFF, 0xFF, 0xFF, 0xF1))), null),
        ["a time beyond the calendar"] = (Of(Table(Entry("k", [(byte)'T', .. Long(ulong.MaxValue >> 1)]))), null),
        ["bytes that are no text"] = (Of(Table(Entry("k", [(byte)'S', .. LongBytes([0xC3, 0x28])]))), null),
        ["a name that is no text"] = (Of(Table([1, 0xC3, (byte)'V'])), null),
        ["an unknown type"] = (Of(Table(Entry("k", (byte)'Z', 1, 2))), "unknown type 0x5A"),
        ["tables 65 deep"] = (Of(Nested(65, arrays: false)), "more than 64 deep"),
        ["arrays 65 deep"] = (Of(Nested(65, arrays: true)), "more than 64 deep"),
        ["a string beyond its table"] = (Of(Table(Entry("k", (byte)'S', 0, 0, 0, 9))), "a field of 9 bytes where"),
        ["a table that ends after a name"] = (Of(Table(Str("k"))), "a field of 1 bytes where 0 are left"),
        ["a table beyond the frame"] = (Header(0, 0x2000, [0, 0, 0, 50, 1]), "a field of 50 bytes where 1 are left"),
        ["properties that are missing"] = (Header(0, 0x8000), "a field of 1 bytes where 0 are left"),
        ["flags without a meaning"] = (Header(0, 0x0001, [0, 0]), "property flags 0x0001"),
    };

    // With a correlation id behind the headers: c.
    private static byte[] Of(byte[] table) => Header(0, 0x2400, table, Str("c"));

    [Theory]
    [MemberData(nameof(Kinds))]
    public async Task A_delivery_that_cannot_be_read_is_rejected_and_nothing_else_happens(string kind)
    {
        (byte[] header, string? flaw) = Headers[kind];
        var broker = Own(new ScriptedBroker());
        broker.OnConsume = (_, channel, queue) => queue == "other" ? Delivery(channel, 1, Header(0, 0))
            : [.. Delivery(channel, 1, Header(0, 0)), .. Delivery(channel, 2, [.. header]), .. Delivery(
                channel, 3, Header(0, 0))];
        var log = new Lines();
        AmqpClient client = NewClient(broker.Uri, options => options.LoggerFactory = log);
        await client.OpenAsync(Cancelled);
        var handled = new ConcurrentQueue<(string Queue, ulong Tag)>();
        ValueTask<AmqpSettlement> HandleAsync(AmqpDelivery delivery, CancellationToken lost)
        {
            handled.Enqueue((delivery.Queue, delivery.DeliveryTag));
            return ValueTask.FromResult(AmqpSettlement.Ack);
        }
        await client.ConsumeAsync("other", HandleAsync, cancellationToken: Cancelled);
        await client.ConsumeAsync(
            "queue", HandleAsync, new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Requeue }, Cancelled);
        await UntilAsync(() => handled.Contains(("queue", 3UL)) && handled.Contains(("other", 1UL)));
        Assert.Equal(flaw is null, handled.Contains(("queue", 2UL)));
        if (flaw is not null)
        {
            await UntilAsync(() => broker.Settled.Any(settled => settled is { Method: 120, Tag: 2 }));
            Assert.Contains(log.All, line => line.Contains("cannot be read", StringComparison.Ordinal)
                && line.Contains(flaw, StringComparison.Ordinal));
        }
        Assert.All(client.Status.Links, link => Assert.Equal((1, AmqpLinkState.Open), (link.Epoch, link.State)));
    }

    [Theory]
    [InlineData("an unknown type", "exclusive")]
    [InlineData("tables 65 deep", "exclusive")]
    [InlineData("a string beyond its table", "direct")]
    [InlineData("a table that ends after a name", "fixed")]
    public async Task A_reply_that_cannot_be_read_fails_its_call_at_once_and_no_other(string kind, string address)
    {
        (byte[] header, string? flaw) = Headers[kind];
        var broker = Own(new ScriptedBroker());
        (ScriptedBroker.Peer Peer, ushort Channel)? replies = null;
        broker.OnConsume = (peer, channel, _) =>
        {
            replies = (peer, channel);
            return null;
        };
        AmqpClient client = NewClient(broker.Uri);
        var options = new AmqpCallOptions
        {
            Timeout = TimeSpan.FromSeconds(30),
            ReplyTo = address switch
            {
                "exclusive" => AmqpReplyAddress.Exclusive,
                "direct" => AmqpReplyAddress.Direct,
                _ => AmqpReplyAddress.Queue("replies"),
            },
        };
        Task<AmqpReply> call =
            client.CallAsync(new AmqpMessage { RoutingKey = "q", CorrelationId = "c" }, options, Cancelled).AsTask();
        Task<AmqpReply> other =
            client.CallAsync(new AmqpMessage { RoutingKey = "q", CorrelationId = "d" }, options, Cancelled).AsTask();
        await UntilAsync(() => broker.Seen.Count >= 2 && client.Status.Links[0].UnconfirmedMessages == 0);
        await replies!.Value.Peer.SendAsync(Delivery(replies.Value.Channel, 1, [.. header]));
        var error = await Assert.ThrowsAsync<AmqpNoReplyException>(
            () => call.WaitAsync(TimeSpan.FromSeconds(15), Cancelled));
        Assert.Contains(flaw!, error.Message, StringComparison.Ordinal);
        Assert.Equal(AmqpOutcome.Confirmed, error.Outcome);
        Assert.False(other.IsCompleted);
        await replies.Value.Peer.SendAsync(Delivery(replies.Value.Channel, 2, Header(0, 0x0400, Str("d"))));
        await other.WaitAsync(Limit, Cancelled);
        Assert.All(client.Status.Links, link => Assert.Equal(1, link.Epoch));
    }

    [Fact]
    public async Task A_return_that_cannot_be_read_completes_its_publish()
    {
        var broker = Own(new ScriptedBroker());
        // Behind the slot, which comes first, stands what cannot be read.
        broker.OnPublish = (_, message) => message.RoutingKey == "nowhere"
            ? [.. Return(message with { Properties = Broken(message.Properties) }), .. Ack(
                message.Channel, message.Sequence)]
            : null;
        AmqpClient client = NewClient(broker.Uri);
        AmqpMessage message =
            AmqpMessage.ToQueue("nowhere", []) with { Headers = new Dictionary<string, object?> { ["k"] = 1 } };
        Assert.IsType<AmqpReturnedException>(await EndOf(client.PublishAsync(message, Cancelled)));
        Assert.Null(await EndOf(client.PublishAsync(AmqpMessage.ToQueue("fine", []), Cancelled)));
        Assert.All(client.Status.Links, link => Assert.Equal(1, link.Epoch));

        static byte[] Broken(byte[] properties)
        {
            byte[] broken = [.. properties];
            int type = broken.AsSpan().IndexOf("\u0001kI"u8) + 2;
            broken[type] = (byte)'Z';
            return broken;
        }
    }

    [Fact]
    public async Task A_request_that_cannot_be_read_is_answered_with_a_fault()
    {
        var broker = Own(new ScriptedBroker());
        byte[] request = Header(0, 0x2600, Table(Entry("k", (byte)'Z')), Str("c"), Str("caller"));
        broker.OnConsume = (_, channel, _) => Delivery(channel, 1, request);
        AmqpClient client = NewClient(broker.Uri);
        await client.ServeAsync(
            "requests", (_, _) => ValueTask.FromResult(new AmqpMessage()), cancellationToken: Cancelled);
        await UntilAsync(() => broker.Seen.Any(
            seen => seen.RoutingKey == "caller" && seen.Properties.AsSpan().IndexOf("InvalidData"u8) > 0));
        await UntilAsync(() => broker.Settled.Any(settled => settled is { Method: 80, Tag: 1 }));
    }
}
