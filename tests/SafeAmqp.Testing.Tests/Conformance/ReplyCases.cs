using RabbitMQ.Client.Events;
using static TestSupport.Wire.RawClient;

namespace SafeAmqp.Testing.Tests.Conformance;

/// <summary>RabbitMQ's direct reply-to.</summary>
internal static class ReplyCases
{
    private const string Address = "amq.rabbitmq.reply-to";

    public static IEnumerable<Case> All =>
    [
        new("direct reply", async s =>
        {
            await s.DeclareAsync();
            Inbox replies = await s.ConsumeAsync(Address, autoAck: true);
            await s.PublishAsync("", s.Q, "question", p => p.ReplyTo = Address);
            BasicGetResult got = (await s.Channel.BasicGetAsync(s.Q, true))!;
            string address = got.BasicProperties.ReplyTo!;
            s.Note(address.StartsWith(Address + ".", StringComparison.Ordinal));
            await using IChannel other = await (await s.ConnectAsync()).CreateChannelAsync();
            s.Note((await other.QueueDeclarePassiveAsync(address)).ConsumerCount);
            await s.PublishAsync("", address, "answer", p => p.CorrelationId = "c", channel: other);
            BasicDeliverEventArgs answer = await replies.NextAsync();
            s.Note($"{System.Text.Encoding.UTF8.GetString(answer.Body.Span)} {answer.BasicProperties.CorrelationId} "
                + $"{answer.DeliveryTag} {answer.RoutingKey == address} {answer.Redelivered}");
        }),
        new("direct reply: a consumer that acknowledges", s => s.TryAsync(_ => s.ConsumeAsync(Address))),
        new("direct reply: two consumers", s => s.TryAsync(async _ =>
        {
            await s.ConsumeAsync(Address, autoAck: true);
            await s.ConsumeAsync(Address, autoAck: true);
        })),
        new("direct reply: a second consumer that acknowledges", s => s.TryAsync(async _ =>
        {
            await s.ConsumeAsync(Address, autoAck: true);
            await s.ConsumeAsync(Address);
        })),
        .. new[] { true, false }.Select(acks => new Case(
            $"direct reply: the tag of another consumer, {(acks ? "with" : "without")} acks", s => s.TryAsync(async _ =>
        {
            await s.DeclareAsync();
            await s.ConsumeAsync(tag: "same");
            await s.ConsumeAsync(Address, autoAck: !acks, tag: "same");
        }))),
        new("direct reply: its tag for another consumer", TagOfRepliesAsync),
        new("direct reply: to a caller that reads late", LateReaderAsync),
        new(
            "direct reply: a question without a consumer",
            s => s.ClosedByAsync(c => s.PublishAsync("", s.Q, "q", p => p.ReplyTo = Address, channel: c))),
        new(
            "direct reply: declaring the address",
            s => s.TryAsync(async c => s.Note((await c.QueueDeclarePassiveAsync(Address)).QueueName))),
        new(
            "direct reply: asking for an address that is gone",
            s => s.TryAsync(c => c.QueueDeclarePassiveAsync(Address + ".nonsense"))),
        new("direct reply: after cancelling", s => s.TryAsync(async c =>
        {
            Inbox i = await s.ConsumeAsync(Address, autoAck: true);
            await c.BasicCancelAsync(i.Tag);
            await s.ConsumeAsync(Address, autoAck: true);
        })),
        new("direct reply: an answer to no caller is returned when mandatory", s => s.TryAsync(async _ =>
        {
            await using IChannel c = await s.Connection.CreateChannelAsync(new CreateChannelOptions(true, false));
            var returned = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
            c.BasicReturnAsync += (_, e) => Task.FromResult(returned.TrySetResult(e.ReplyText));
            await s.PublishAsync("", Address + ".nowhere", "m", mandatory: true, channel: c);
            s.Note(await returned.Task.WaitAsync(Stage.Limit));
        })),
    ];

    /// <summary>What is cancelled by a tag that two consumers share is the one of the replies.</summary>
    private static async Task TagOfRepliesAsync(Stage s)
    {
        await s.DeclareAsync();
        using RawClient client = await OpenAsync(s.Uri);
        s.Note(await ConsumeAsync(client, Address));
        s.Note(await ConsumeAsync(client, s.Q));
        s.Note(await client.CallAsync(1, 60, 30, [.. ShortText("same"), 0]));
        s.Note((await s.Channel.QueueDeclarePassiveAsync(s.Q)).ConsumerCount);
        s.Note(await client.CallAsync(1, 60, 30, [.. ShortText("same"), 0]));
        s.Note((await s.Channel.QueueDeclarePassiveAsync(s.Q)).ConsumerCount);
    }

    /// <summary>Replies of 20 MB, more than sockets hold, before the first is read.</summary>
    private static async Task LateReaderAsync(Stage s)
    {
        const int Replies = 200;
        await s.DeclareAsync();
        using RawClient client = await OpenAsync(s.Uri);
        s.Note(await ConsumeAsync(client, Address));
        await client.SendAsync(Publish(1, "", s.Q, [], [0x02, 0, .. ShortText(Address)]));
        await s.UntilCountAsync(1);
        string address = (await s.Channel.BasicGetAsync(s.Q, true))!.BasicProperties.ReplyTo!;
        string body = new('x', 100_000);
        for (int i = 0; i < Replies; i++)
            await s.PublishAsync("", address, body);
        for (int i = 0; i < 3 * Replies; i++)
            await client.NextAsync();
        s.Note("all");
    }

    private static Task<string> ConsumeAsync(RawClient client, string queue)
        => client.CallAsync(1, 60, 20, [0, 0, .. ShortText(queue), .. ShortText("same"), 2, 0, 0, 0, 0]);
}
