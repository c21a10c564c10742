namespace SafeAmqp.Testing.Tests.Conformance;

/// <summary>Messages that a queue gives up, and what is written on them.</summary>
internal static class DeadLetterCases
{
    public static IEnumerable<Case> All =>
    [
        new("dead letter: rejected", s => Dead(s, [], async () => { await s.PublishAsync("", s.Q, "m"); await RejectAsync(s); })),
        new("dead letter: expired", s => Dead(s, new() { ["x-message-ttl"] = 10 }, () => s.PublishAsync("", s.Q, "m"))),
        new("dead letter: the message's own expiration is taken off", s => Dead(s, [], () => s.PublishAsync("", s.Q, "m", p => p.Expiration = "10"))),
        new("dead letter: too many", s => Dead(s, new() { ["x-max-length"] = 1 }, async () => { await s.PublishAsync("", s.Q, "m"); await s.PublishAsync("", s.Q, "n"); })),
        new("dead letter: refused", s => Dead(s, new() { ["x-max-length"] = 0, ["x-overflow"] = "reject-publish-dlx" }, () => s.TryAsync(() => s.PublishAsync("", s.Q, "m")))),
        new("dead letter: with its own routing key", async s =>
        {
            await s.Channel.ExchangeDeclareAsync(s.X, "fanout");
            await s.DeclareAsync(s.Name("dead"));
            await s.Channel.QueueBindAsync(s.Name("dead"), s.X, "");
            await s.DeclareAsync(arguments: new Dictionary<string, object?> { ["x-dead-letter-exchange"] = s.X });
            await s.PublishAsync("", s.Q, "m", p => p.Headers = new Dictionary<string, object?> { ["mine"] = "kept" });
            await RejectAsync(s);
            await ShowAsync(s);
        }),
        new("dead letter: through two queues", async s =>
        {
            await s.DeclareAsync(s.Name("dead"));
            await s.DeclareAsync(s.Name("second"), new Dictionary<string, object?> { ["x-dead-letter-exchange"] = "", ["x-dead-letter-routing-key"] = s.Name("dead"), ["x-message-ttl"] = 5 });
            await s.DeclareAsync(arguments: new Dictionary<string, object?> { ["x-dead-letter-exchange"] = "", ["x-dead-letter-routing-key"] = s.Name("second") });
            await s.PublishAsync("", s.Q, "m");
            await RejectAsync(s);
            await ShowAsync(s);
        }),
        new("dead letter: the same queue counts up", async s =>
        {
            await s.DeclareAsync(s.Name("wait"), new Dictionary<string, object?> { ["x-dead-letter-exchange"] = "", ["x-dead-letter-routing-key"] = s.Q, ["x-message-ttl"] = 5 });
            await s.DeclareAsync(arguments: new Dictionary<string, object?> { ["x-dead-letter-exchange"] = "", ["x-dead-letter-routing-key"] = s.Name("wait") });
            await s.PublishAsync("", s.Q, "m");
            for (int i = 0; i < 3; i++)
            {
                await s.UntilCountAsync(1);
                await RejectAsync(s);
            }
            await s.UntilCountAsync(1);
            await s.DrainAsync(show: got => Show(s, got));
        }),
        new("dead letter: a circle without a rejection ends", async s =>
        {
            await s.DeclareAsync(arguments: new Dictionary<string, object?> { ["x-dead-letter-exchange"] = "", ["x-dead-letter-routing-key"] = s.Q, ["x-message-ttl"] = 5 });
            await s.PublishAsync("", s.Q, "m");
            await s.UntilCountAsync(0);
            await s.DrainAsync();
        }),
        new("dead letter: headers of any depth are kept", async s =>
        {
            await s.DeclareAsync(s.Name("dead"));
            await s.DeclareAsync(arguments: new Dictionary<string, object?> { ["x-dead-letter-exchange"] = "", ["x-dead-letter-routing-key"] = s.Name("dead") });
            await s.PublishAsync("", s.Q, "m", p => p.Headers = PublishCases.Nested(200));
            await RejectAsync(s);
            await s.UntilCountAsync(1, s.Name("dead"));
            await s.DrainAsync(s.Name("dead"), got => $"{PublishCases.Innermost(got.BasicProperties.Headers!)} {got.BasicProperties.Headers!.ContainsKey("x-death")}");
        }),
        new("dead letter: an exchange that is not there", async s =>
        {
            await s.DeclareAsync(arguments: ArgumentCases.Table("x-dead-letter-exchange", s.X));
            await s.PublishAsync("", s.Q, "m");
            await RejectAsync(s);
            await s.DrainAsync();
        }),
        new("dead letter: purged messages are not", s => NotDead(s, c => c.QueuePurgeAsync(s.Q))),
        new("dead letter: deleted messages are not", s => NotDead(s, c => c.QueueDeleteAsync(s.Q))),
    ];

    private static async Task Dead(Stage s, Dictionary<string, object?> arguments, Func<Task> act)
    {
        await s.DeclareAsync(s.Name("dead"));
        arguments["x-dead-letter-exchange"] = "";
        arguments["x-dead-letter-routing-key"] = s.Name("dead");
        await s.DeclareAsync(arguments: arguments);
        await act();
        await ShowAsync(s);
    }

    private static async Task NotDead(Stage s, Func<IChannel, Task> act)
    {
        await s.DeclareAsync(s.Name("dead"));
        await s.DeclareAsync(arguments: new Dictionary<string, object?> { ["x-dead-letter-exchange"] = "", ["x-dead-letter-routing-key"] = s.Name("dead") });
        await s.PublishAsync("", s.Q, "m");
        await act(s.Channel);
        await s.DrainAsync(s.Name("dead"));
    }

    private static async Task RejectAsync(Stage s)
    {
        BasicGetResult got = (await s.Channel.BasicGetAsync(s.Q, false))!;
        await s.Channel.BasicRejectAsync(got.DeliveryTag, false);
    }

    private static async Task ShowAsync(Stage s)
    {
        await s.UntilCountAsync(1, s.Name("dead"));
        await s.DrainAsync(s.Name("dead"), got => Show(s, got));
    }

    private static string Show(Stage s, BasicGetResult got)
    {
        var headers = new Dictionary<string, object?>(got.BasicProperties.Headers!);
        foreach (object? death in (IList<object?>)headers["x-death"]!)
            if (!((IDictionary<string, object?>)death!).Remove("time"))
                s.Note("no time");
        return s.Plain($"{Stage.Text(got)} exchange {got.Exchange} key {got.RoutingKey} expiration {got.BasicProperties.Expiration} {PublishCases.Show(headers)}");
    }
}
