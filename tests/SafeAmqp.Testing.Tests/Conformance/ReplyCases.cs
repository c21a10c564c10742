using RabbitMQ.Client.Events;

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
}
