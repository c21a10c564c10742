using System.Text;

namespace SafeAmqp.Peers.Tests;

/// <summary>librabbitmq, a client in C, by the tools that Debian has in amqp-tools.</summary>
public sealed class AmqpToolsTests(Brokers brokers) : PeerTest(brokers)
{
    private static readonly byte[] Body = [0, 1, 127, 128, 255, 0xCE];

    [Theory]
    [MemberData(nameof(AllBrokers))]
    public async Task What_amqp_publish_sends_is_read_here(BrokerKind broker)
    {
        AmqpClient client = await ConnectAsync(broker);
        string queue = await NewQueueAsync(client), uri = Brokers.UriOf(broker);
        await Programs.RunAsync("amqp-publish", Body, "-u", uri, "-r", queue, "-p", "-C", "text/plain", "-E", "utf-8",
            "-t", "answers", "-H", "colour: grün", "-H", "empty: ");
        AmqpMessage got = await NextAsync(await ConsumeAsync(client, queue));
        Assert.Equal(Body, got.Body.ToArray());
        Assert.Equal(
            ("text/plain", "utf-8", "answers", true),
            (got.ContentType, got.ContentEncoding, got.ReplyTo, got.Persistent));
        AssertSame(
            new Dictionary<string, Typed> { ["colour"] = Typed.Of("grün"), ["empty"] = Typed.Of("") },
            HeaderCases.Seen(got));
    }

    [Theory]
    [MemberData(nameof(AllBrokers))]
    public async Task What_is_sent_here_with_headers_of_every_type_is_read_by_amqp_get_and_amqp_consume(
        BrokerKind broker)
    {
        AmqpClient client = await ConnectAsync(broker);
        string queue = await NewQueueAsync(client), uri = Brokers.UriOf(broker);
        AmqpMessage message = AmqpMessage.ToQueue(queue, Body) with { Headers = HeaderCases.Ours };
        await client.PublishAsync(message, Cancelled);
        await client.PublishAsync(message, Cancelled);
        Assert.Equal(Body, await Programs.RunAsync("amqp-get", default, "-u", uri, "-q", queue));
        Assert.Equal(Body, await Programs.RunAsync("amqp-consume", default, "-u", uri, "-q", queue, "-c", "1", "cat"));
    }

    [Theory]
    [MemberData(nameof(AllBrokers))]
    public async Task A_request_of_amqp_publish_is_answered_here_and_the_answer_read_by_amqp_get(BrokerKind broker)
    {
        AmqpClient client = await ConnectAsync(broker);
        string queue = await NewQueueAsync(client), answers = await NewQueueAsync(client), uri = Brokers.UriOf(broker);
        await using AmqpSubscription server = await client.ServeAsync(queue,
            (request, _) => ValueTask.FromResult(new AmqpMessage { Body = request.Body }),
            cancellationToken: Cancelled);
        await Programs.RunAsync("amqp-publish", default, "-u", uri, "-r", queue, "-t", answers, "-b", "question");
        byte[] answer = await Programs.RunAsync("amqp-consume", default, "-u", uri, "-q", answers, "-c", "1", "cat");
        Assert.Equal("question", Encoding.UTF8.GetString(answer));
    }
}
