using System.Text;
using RabbitMQ.Client;
using SafeAmqp.IntegrationTests.Calls;
using static TestSupport.Wire.Frames;

namespace SafeAmqp.IntegrationTests.Hostile;

/// <summary>
/// What a broker takes from another client reaches the consumer, the caller or the getter that it is for, and harms
/// nothing beside it, however odd it is.
/// </summary>
[Trait("Broker", "3.10")]
public sealed class OddMessageTests(TestBroker broker) : CallTest(broker)
{
    private const int All = 0x2000, Timestamp = 1 << 6, MessageId = 1 << 7, CorrelationId = 1 << 10, ReplyTo = 1 << 9;

    private static readonly byte[] NoText = [.. Enumerable.Repeat((byte)0xFF, 100)];

    // Flags, and the properties that they name. Each leaves room for a correlation id and what is behind it.
    private static Dictionary<string, (int Flags, byte[] Before, byte[] Behind)> Odd { get; } = new()
    {
        ["a long of type L"] = Headers(Entry("k", [(byte)'L', .. Long(1UL << 63)])),
        ["every type"] = Headers(Entry("k", Every())),
        ["the least decimal"] = Headers(Entry("k", (byte)'D', 0, 0x80, 0, 0, 0)),
        ["a decimal of 28 places"] = Headers(Entry("k", (byte)'D', 28, 0xFF, 0xFF, 0xFF, 0xFF)),
        ["a decimal of 255 places"] = Headers(Entry("k", (byte)'D', 255, 0x7F, 0xFF, 0xFF, 0xFF)),
        ["a time of 2^63"] = Headers(Entry("k", [(byte)'T', .. Long(1UL << 63)])),
        ["the last time"] = Headers(Entry("k", [(byte)'T', .. Long(ulong.MaxValue)])),
        ["the least fractions"] = Headers(
            Entry("f", [(byte)'f', .. Int(0x80000001)]), Entry("d", [(byte)'d', .. Long(1UL << 63)])),
        ["a boolean of 2"] = Headers(Entry("k", (byte)'t', 2)),
        ["empty values"] = Headers(
            Entry("s", [(byte)'S', .. Int(0)]), Entry("x", [(byte)'x', .. Int(0)]),
            Entry("a", [(byte)'A', .. Int(0)]), Entry("f", [(byte)'F', .. Int(0)]), Entry("v", (byte)'V')),
        ["an empty name"] = Headers(Entry("", (byte)'V')),
        ["no headers in a table"] = Headers(),
        ["a name twice"] = Headers(Entry("k", (byte)'t', 0), Entry("k", (byte)'t', 1)),
        ["a name and a value that are no text"] = Headers([2, 0xC3, 0x28, (byte)'S', .. LongBytes([0xFF, 0xC0])]),
        ["a name of 255 octets that are no text"] = Headers([255, .. Enumerable.Repeat((byte)0xFF, 255), (byte)'V']),
        ["tables 60 deep"] = (All, Nested(60, arrays: false), []),
        ["arrays 60 deep"] = (All, Nested(60, arrays: true), []),
        ["our own names with other types"] = Headers(
            Entry("x-safeamqp-slot", (byte)'t', 1), Entry("x-safeamqp-attempts", [(byte)'S', .. LongStr("many")]),
            Entry("x-safeamqp-exchange", (byte)'V'), Entry("x-delivery-count", [(byte)'F', .. Int(0)])),
        ["a broker's names with other types"] = Headers(
            Entry("x-death", [(byte)'S', .. LongStr("never")]), Entry("x-stream-offset", [(byte)'S', .. LongStr("9")]),
            Entry("x-acquired-count", (byte)'t', 1)),
        ["a time stamp of 2^63"] = (Timestamp, [], Long(1UL << 63)),
        ["the last time stamp"] = (Timestamp, [], Long(ulong.MaxValue)),
        ["an id that is no text"] = (MessageId, [], [100, .. NoText]),
        ["an id with a NUL"] = (MessageId, [], Str("a\0b")),
        ["empty ids"] = (MessageId | (1 << 3) | (1 << 5), [], [0, 0, 0]),
        ["a content type of 255 octets that are no text"]
            = (1 << 15, [255, .. Enumerable.Repeat((byte)0xC3, 255)], []),
        ["a priority of 255"] = (1 << 11, [255], []),
        ["the unused flag"] = (2, [], []),
    };

    public static TheoryData<string> Kinds => [.. Odd.Keys];

    [Theory, MemberData(nameof(Kinds))]
    public async Task A_delivery_that_the_broker_took_is_handled_got_and_costs_nothing_else(string kind)
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp), got = await NewQueueAsync(amqp);
        using RawClient raw = await RawClient.OpenAsync(new Uri(Broker.Uri));
        await SendAsync(raw, queue, kind);
        await SendAsync(raw, got, kind);
        Witness witness = await WitnessAsync();
        await UntilReadyAsync(witness, queue, 1);
        await UntilReadyAsync(witness, got, 1);
        await PublishAsync(amqp, queue, "behind");
        var inbox = new Inbox();
        await amqp.ConsumeAsync(queue, inbox.HandleAsync, cancellationToken: Cancelled);
        IReadOnlyList<AmqpDelivery> handled = await inbox.NextAsync(2);
        Assert.Equal(["odd", "behind"], handled.Select(Text));
        Assert.Equal("c", handled[0].Message.CorrelationId);
        Assert.InRange(handled[0].Message.Headers!.ToArray().Length, 0, 5); // all can be read
        AmqpDelivery one = (await amqp.Admin.GetAsync(got, Cancelled))!;
        Assert.Equal("odd", Text(one));
        Assert.Equal(AmqpSettleResult.Settled, one.Settle(AmqpSettlement.Ack));
        Assert.All(amqp.Status.Links, link => Assert.Equal((1, AmqpLinkState.Open), (link.Epoch, link.State)));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task A_reply_that_the_broker_took_ends_its_call_and_costs_nothing_else(string kind)
    {
        AmqpClient amqp = await ConnectAsync();
        RequestDesk desk = await DeskAsync();
        using RawClient raw = await RawClient.OpenAsync(new Uri(Broker.Uri));
        foreach (AmqpReplyAddress address in (AmqpReplyAddress[])[AmqpReplyAddress.Exclusive, AmqpReplyAddress.Direct])
        {
            Task<AmqpReply> call =
                amqp.CallAsync(AmqpMessage.ToQueue(desk.Queue, []), To(address), Cancelled).AsTask();
            Request request = await desk.NextAsync();
            await SendAsync(raw, request.ReplyTo, kind, request.CorrelationId);
            Assert.Equal("odd", Text(await InTime(call)));
        }
        Assert.All(amqp.Status.Links, link => Assert.Equal((1, AmqpLinkState.Open), (link.Epoch, link.State)));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task A_reply_to_a_call_for_many_is_read_like_any(string kind)
    {
        AmqpClient amqp = await ConnectAsync();
        RequestDesk desk = await DeskAsync();
        using RawClient raw = await RawClient.OpenAsync(new Uri(Broker.Uri));
        Task<List<string>> replies = AllAsync();
        Request request = await desk.NextAsync();
        await SendAsync(raw, request.ReplyTo, kind, request.CorrelationId);
        Assert.Equal(["odd"], await InTime(replies));

        async Task<List<string>> AllAsync()
        {
            var all = new List<string>();
            await foreach (AmqpReply reply in amqp.CallManyAsync(AmqpMessage.ToQueue(desk.Queue, []),
                new AmqpCallManyOptions(), Cancelled))
                all.Add(Text(reply));
            return all;
        }
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task A_request_that_the_broker_took_is_answered(string kind)
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp), replies = await NewQueueAsync(amqp);
        await amqp.ServeAsync(queue, (request, _) => ValueTask.FromResult(new AmqpMessage { Body = request.Body }),
            cancellationToken: Cancelled);
        using RawClient raw = await RawClient.OpenAsync(new Uri(Broker.Uri));
        await SendAsync(raw, queue, kind, "c", replies);
        Witness witness = await WitnessAsync();
        await UntilReadyAsync(witness, replies, 1);
        BasicGetResult reply = (await witness.Channel.BasicGetAsync(replies, autoAck: true, Cancelled))!;
        Assert.Equal(("odd", "c"), (Encoding.UTF8.GetString(reply.Body.Span), reply.BasicProperties.CorrelationId));
    }

    [Theory, MemberData(nameof(Kinds))]
    public async Task A_message_that_the_broker_took_is_tried_again_and_dead_lettered_as_it_came(string kind)
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp), dead = Named($"{queue}.dead");
        Named($"{queue}.retry.30");
        var attempts = new List<int>();
        await amqp.ConsumeAsync(queue, (delivery, _) =>
        {
            attempts.Add(delivery.PreviousAttempts);
            throw new InvalidOperationException("always");
        }, new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Hold(TimeSpan.FromMilliseconds(30)) }, Cancelled);
        using RawClient raw = await RawClient.OpenAsync(new Uri(Broker.Uri));
        await SendAsync(raw, queue, kind, "c\0");
        Witness witness = await WitnessAsync();
        await UntilAsync(async () => await witness.ExistsAsync(dead) ? await witness.ReadyAsync(dead) : 0, n => n == 1);
        Assert.Equal(2, attempts.Count);
        (int flags, byte[] before, byte[] behind) = Odd[kind];
        string properties = await raw.GetAsync(dead);
        Assert.Contains("026300", properties, StringComparison.Ordinal);
        if ((flags & All) == 0)
        {
            Assert.Contains(Convert.ToHexString(before), properties, StringComparison.Ordinal);
            Assert.Contains(Convert.ToHexString(behind), properties, StringComparison.Ordinal);
        }
        Assert.All(amqp.Status.Links, link => Assert.Equal((1, AmqpLinkState.Open), (link.Epoch, link.State)));
    }

    // The caller knows its id by its octets, whatever they are.
    [Theory]
    [InlineData("00010203")]
    [InlineData("FFFEFD80")]
    [InlineData("EFBFBD")]
    [InlineData("FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00"
        + "FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00"
        + "FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00FF00")]
    public async Task A_correlation_id_that_is_no_text_comes_back_octet_by_octet(string id)
    {
        AmqpClient amqp = await ConnectAsync();
        string single = await NewQueueAsync(amqp), many = await NewQueueAsync(amqp),
            failing = await NewQueueAsync(amqp), replies = await NewQueueAsync(amqp);
        await amqp.ServeAsync(single, (_, _) => ValueTask.FromResult(new AmqpMessage()), cancellationToken: Cancelled);
        await amqp.ServeManyAsync(many, (_, _) => NoneAsync(), cancellationToken: Cancelled);
        await amqp.ServeAsync(
            failing, (_, _) => throw new InvalidOperationException("always"), cancellationToken: Cancelled);
        using RawClient raw = await RawClient.OpenAsync(new Uri(Broker.Uri));
        Witness witness = await WitnessAsync();
        byte[] octets = Convert.FromHexString(id);
        foreach (string queue in (string[])[single, many, failing])
        {
            await raw.SendAsync(RawClient.Publish(1, "", queue, Bytes("odd"), [
                .. Short(CorrelationId | ReplyTo), (byte)octets.Length, .. octets, .. Str(replies)]));
            await UntilAsync(() => witness.ReadyAsync(replies), ready => ready > 0, $"a reply from {queue}");
            Assert.Contains($"{octets.Length:X2}{id}", await raw.GetAsync(replies), StringComparison.Ordinal);
        }
        Assert.All(amqp.Status.Links, link => Assert.Equal((1, AmqpLinkState.Open), (link.Epoch, link.State)));

        static async IAsyncEnumerable<AmqpMessage> NoneAsync()
        {
            await Task.CompletedTask;
            yield break;
        }
    }

    private static (int, byte[], byte[]) Headers(params byte[][] entries) => (All, Table(entries), []);

    private static Task SendAsync(RawClient raw, string queue, string kind, string id = "c", string? replyTo = null)
    {
        (int flags, byte[] before, byte[] behind) = Odd[kind];
        byte[] properties = [
            .. Short((ushort)(flags | CorrelationId | (replyTo is null ? 0 : ReplyTo))), .. before, .. Str(id),
            .. replyTo is null ? [] : Str(replyTo), .. behind];
        return raw.SendAsync(RawClient.Publish(1, "", queue, Bytes("odd"), properties));
    }
}
