using System.Text;
using System.Text.Json.Nodes;
using System.Threading.Channels;

namespace SafeAmqp.Peers.Tests;

/// <summary>
/// Messages between the library and clients of other languages, both ways, also by way of a dead letter and of a retry:
/// a round trip with oneself hides what is wrong in both directions.
/// </summary>
public sealed class ExchangeTests(Brokers brokers) : PeerTest(brokers)
{
    private static readonly byte[] Body = [0, 1, 127, 128, 255, 0xCE];

    private static readonly Dictionary<string, string> Plain = new()
    {
        ["content_type"] = "application/x-größe",
        ["delivery_mode"] = "2",
        ["priority"] = "7",
        ["correlation_id"] = "c",
        ["reply_to"] = "r",
        ["expiration"] = "60000",
        ["message_id"] = "m",
        ["timestamp"] = "1700000000",
        ["type"] = "t",
        ["user_id"] = "guest",
        ["app_id"] = "a",
    };

    private static readonly AmqpMessage PlainMessage = new()
    {
        Body = Body,
        ContentType = "application/x-größe",
        Persistent = true,
        Priority = 7,
        CorrelationId = "c",
        ReplyTo = "r",
        Expiration = TimeSpan.FromMinutes(1),
        MessageId = "m",
        Timestamp = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000),
        Type = "t",
        UserId = "guest",
        AppId = "a",
    };

    [Theory]
    [MemberData(nameof(PeersOnBrokers))]
    public async Task A_peer_reads_the_headers_that_we_send(string peer, BrokerKind broker)
    {
        Peer other = await Brokers.PeerAsync(broker, peer);
        AmqpClient client = await ConnectAsync(broker);
        string queue = await NewQueueAsync(client);
        await client.PublishAsync(AmqpMessage.ToQueue(queue, Body) with { Headers = HeaderCases.Ours }, Cancelled);
        PeerMessage got = await other.GetAsync(queue);
        AssertSame(HeaderCases.SeenBy(peer), WithoutTraces(got.Headers));
        Assert.Equal(Body, got.Body);
    }

    [Theory]
    [MemberData(nameof(PeersOnBrokers))]
    public async Task We_read_the_headers_that_a_peer_sends(string peer, BrokerKind broker)
    {
        Peer other = await Brokers.PeerAsync(broker, peer);
        AmqpClient client = await ConnectAsync(broker);
        string queue = await NewQueueAsync(client);
        await other.PublishAsync("", queue, Body, HeaderCases.From(peer));
        AmqpMessage got = await NextAsync(await ConsumeAsync(client, queue));
        AssertSame(HeaderCases.From(peer), HeaderCases.Seen(got));
        Assert.Equal(Body, got.Body.ToArray());
    }

    [Theory]
    [MemberData(nameof(PeersOnBrokers))]
    public async Task Plain_properties_are_the_same_on_both_sides(string peer, BrokerKind broker)
    {
        Peer other = await Brokers.PeerAsync(broker, peer);
        AmqpClient client = await ConnectAsync(broker);
        string queue = await NewQueueAsync(client);

        await client.PublishAsync(PlainMessage with { RoutingKey = queue }, Cancelled);
        PeerMessage theirs = await other.GetAsync(queue);
        Assert.Equal(Plain.OrderBy(p => p.Key), theirs.Properties.OrderBy(p => p.Key));
        Assert.Equal(Body, theirs.Body);

        var properties = new JsonObject(Plain.Select(p => KeyValuePair.Create(p.Key, (JsonNode?)(
            p.Key is "delivery_mode" or "priority" or "timestamp" ? JsonValue.Create(long.Parse(p.Value)) : p.Value))));
        await other.PublishAsync("", queue, Body, properties: properties);
        AmqpMessage ours = await NextAsync(await ConsumeAsync(client, queue));
        Assert.Equal((PlainMessage with { RoutingKey = queue }).Properties(), ours.Properties());
        Assert.Equal(Body, ours.Body.ToArray());
    }

    [Theory]
    [MemberData(nameof(PeersOnBrokers))]
    public async Task A_dead_letter_is_to_a_peer_what_it_sent(string peer, BrokerKind broker)
    {
        Peer other = await Brokers.PeerAsync(broker, peer);
        AmqpClient client = await ConnectAsync(broker);
        string dead = await NewQueueAsync(client), queue = await NewQueueAsync(client, dead);
        await client.ConsumeAsync(
            queue, (_, _) => ValueTask.FromResult(AmqpSettlement.Reject), cancellationToken: Cancelled);
        await CompareWithDirectAsync(other, peer, dead, queue);
    }

    [Theory]
    [MemberData(nameof(PeersOnBrokers))]
    public async Task What_is_retried_is_to_us_and_to_a_peer_what_it_sent(string peer, BrokerKind broker)
    {
        Peer other = await Brokers.PeerAsync(broker, peer);
        AmqpClient client = await ConnectAsync(broker);
        string dead = await NewQueueAsync(client), queue = await NewQueueAsync(client, dead);
        var seen = Channel.CreateUnbounded<AmqpMessage>();
        await client.ConsumeAsync(
            queue,
            (delivery, _) =>
            {
                seen.Writer.TryWrite(delivery.Message);
                throw new InvalidOperationException("not yet");
            },
            new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Retry(2, TimeSpan.FromMilliseconds(50)) },
            Cancelled);
        await CompareWithDirectAsync(other, peer, dead, queue);
        for (int attempt = 0; attempt < 2; attempt++)
            AssertSame(HeaderCases.From(peer), WithoutTraces(HeaderCases.Seen(await NextAsync(seen.Reader))));
    }

    [Theory]
    [MemberData(nameof(PeersOnBrokers))]
    public async Task Our_call_is_answered_by_a_peer(string peer, BrokerKind broker)
    {
        Peer other = await Brokers.PeerAsync(broker, peer);
        AmqpClient client = await ConnectAsync(broker);
        string queue = await NewQueueAsync(client);
        foreach (AmqpReplyAddress address in (AmqpReplyAddress[])[AmqpReplyAddress.Exclusive, AmqpReplyAddress.Direct])
        {
            AmqpMessage request = AmqpMessage.ToQueue(queue, "request"u8.ToArray()) with
            {
                ContentType = "text/plain",
                Headers = new Dictionary<string, object?> { ["n"] = -5, ["t"] = "text", ["f"] = true },
            };
            Task<PeerMessage> served = other.ServeAsync(queue);
            Task<AmqpReply> called =
                client.CallAsync(request, new AmqpCallOptions { ReplyTo = address }, Cancelled).AsTask();
            PeerMessage seen = await served;
            AmqpReply reply = await called;
            Assert.Equal("request"u8.ToArray(), seen.Body);
            Assert.Equal("request", Encoding.UTF8.GetString(reply.Body.Span));
            AssertSame(HeaderCases.Seen(request), WithoutTraces(HeaderCases.Seen(reply.Message)));
        }
    }

    [Theory]
    [MemberData(nameof(PeersOnBrokers))]
    public async Task A_peers_call_is_answered_by_us(string peer, BrokerKind broker)
    {
        Peer other = await Brokers.PeerAsync(broker, peer);
        AmqpClient client = await ConnectAsync(broker);
        string queue = await NewQueueAsync(client);
        var requests = Channel.CreateUnbounded<AmqpMessage>();
        await using AmqpSubscription server = await client.ServeAsync(queue, (request, _) =>
        {
            requests.Writer.TryWrite(request.Message);
            return ValueTask.FromResult(new AmqpMessage { Body = request.Body, Headers = HeaderCases.Ours });
        }, cancellationToken: Cancelled);
        PeerMessage reply = await other.CallAsync(queue, Body, HeaderCases.From(peer));
        Assert.Equal(Body, reply.Body);
        AssertSame(HeaderCases.SeenBy(peer), WithoutTraces(reply.Headers));
        AssertSame(HeaderCases.From(peer), WithoutTraces(HeaderCases.Seen(await NextAsync(requests.Reader))));
    }

    /// <summary>What a peer gets when we are not between: what one of its own clients would.</summary>
    private static async Task CompareWithDirectAsync(Peer other, string peer, string dead, string queue)
    {
        await other.PublishAsync("", dead, Body, HeaderCases.From(peer));
        PeerMessage direct = await other.GetAsync(dead);
        await other.PublishAsync("", queue, Body, HeaderCases.From(peer));
        PeerMessage got = await other.GetAsync(dead);
        AssertSame(direct.Headers, WithoutTraces(got.Headers));
        Assert.Equal(Body, got.Body);
    }
}
