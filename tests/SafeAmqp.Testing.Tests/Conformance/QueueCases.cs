namespace SafeAmqp.Testing.Tests.Conformance;

/// <summary>Limits, priorities and time in queues.</summary>
internal static class QueueCases
{
    public static IEnumerable<Case> All =>
    [
        new("a full queue drops its head", s => Limited(s, new() { ["x-max-length"] = 2 }, "1", "2", "3", "4")),
        new("a queue of no length", s => Limited(s, new() { ["x-max-length"] = 0 }, "1")),
        new(
            "a queue full of octets drops its head",
            s => Limited(s, new() { ["x-max-length-bytes"] = 10 }, "12345", "67890", "abc")),
        new(
            "a message larger than the queue",
            s => Limited(s, new() { ["x-max-length-bytes"] = 10 }, "12345", "this is too long")),
        new(
            "a full queue refuses",
            s => Limited(s, new() { ["x-max-length"] = 2, ["x-overflow"] = "reject-publish" }, "1", "2", "3")),
        new("a queue full of octets refuses", s => Limited(
            s, new() { ["x-max-length-bytes"] = 10, ["x-overflow"] = "reject-publish" }, "12345", "67890", "a")),
        new("what is out does not count to the length", async s =>
        {
            await s.DeclareAsync(arguments: ArgumentCases.Table("x-max-length", 1));
            await s.PublishAsync("", s.Q, "1");
            await s.Channel.BasicGetAsync(s.Q, false);
            await s.PublishAsync("", s.Q, "2");
            await s.Channel.BasicNackAsync(0, multiple: true, requeue: true);
            await s.DrainAsync();
        }),
        new("higher priorities come first", s => Priorities(s, 10, 1, 5, 3, 5, 0, 10)),
        new("priorities above the queue's highest", s => Priorities(s, 3, 1, 200, 3, 2)),
        new("priorities without a queue of priorities", s => Priorities(s, null, 1, 5, 3)),
        new("a full queue of priorities drops the lowest", async s =>
        {
            await s.DeclareAsync(
                arguments: new Dictionary<string, object?> { ["x-max-priority"] = 5, ["x-max-length"] = 2 });
            foreach (byte p in new byte[] { 5, 1, 3 })
                await s.PublishAsync("", s.Q, $"{p}", x => x.Priority = p);
            await s.DrainAsync();
        }),
        new("a queue's messages expire", async s =>
        {
            await s.DeclareAsync(arguments: ArgumentCases.Table("x-message-ttl", 20));
            await s.PublishAsync("", s.Q, "m");
            await s.UntilCountAsync(0);
            await s.DrainAsync();
        }),
        new("a message expires", async s =>
        {
            await s.DeclareAsync();
            await s.PublishAsync("", s.Q, "m", p => p.Expiration = "20");
            await s.UntilCountAsync(0);
            await s.DrainAsync();
        }),
        new("a message behind one that stays does not go before it", async s =>
        {
            await s.DeclareAsync();
            await s.PublishAsync("", s.Q, "stays");
            await ExpireBehindAsync(s);
        }),
        new("a message behind one of higher priority that stays does not go before it", async s =>
        {
            await s.DeclareAsync(arguments: ArgumentCases.Table("x-max-priority", 5));
            await s.PublishAsync("", s.Q, "stays", p => p.Priority = 5);
            await ExpireBehindAsync(s);
        }),
        new("a time to live of nothing without a consumer", async s =>
        {
            await s.DeclareAsync();
            await s.PublishAsync("", s.Q, "m", p => p.Expiration = "0");
            await s.UntilCountAsync(0);
            await s.DrainAsync();
        }),
        new("a time to live of nothing with a consumer", async s =>
        {
            await s.DeclareAsync();
            Inbox i = await s.ConsumeAsync(autoAck: true);
            await s.PublishAsync("", s.Q, "m", p => p.Expiration = "0");
            s.Note(await i.TextAsync());
        }),
        new("an unused queue expires", async s =>
        {
            await s.DeclareAsync(arguments: ArgumentCases.Table("x-expires", 30));
            await s.DeclareAsync(s.Name("clock"), ArgumentCases.Table("x-message-ttl", 300));
            await s.PublishAsync("", s.Name("clock"), "tick");
            await s.UntilCountAsync(0, s.Name("clock"));
            await s.TryAsync(c => c.QueueDeclarePassiveAsync(s.Q));
        }),
        new("a queue with a consumer does not expire", async s =>
        {
            await s.DeclareAsync(arguments: ArgumentCases.Table("x-expires", 30));
            await s.ConsumeAsync();
            await s.DeclareAsync(s.Name("clock"), ArgumentCases.Table("x-message-ttl", 200));
            await s.PublishAsync("", s.Name("clock"), "tick");
            await s.UntilCountAsync(0, s.Name("clock"));
            await s.TryAsync(c => c.QueueDeclarePassiveAsync(s.Q));
        }),
    ];

    private static async Task Limited(Stage s, Dictionary<string, object?> arguments, params string[] bodies)
    {
        await s.DeclareAsync(arguments: arguments);
        foreach (string body in bodies)
            await s.TryAsync(() => s.PublishAsync("", s.Q, body));
        await s.DrainAsync();
    }

    private static async Task Priorities(Stage s, int? highest, params byte[] priorities)
    {
        await s.DeclareAsync(arguments: ArgumentCases.Table("x-max-priority", highest));
        for (int i = 0; i < priorities.Length; i++)
            await s.PublishAsync("", s.Q, $"{i}:{priorities[i]}", p => p.Priority = priorities[i]);
        await s.DrainAsync();
    }

    // What is behind the messages that are there expires, and as much time has passed for certain.
    private static async Task ExpireBehindAsync(Stage s)
    {
        await s.PublishAsync("", s.Q, "old", p => p.Expiration = "1");
        await s.DeclareAsync(s.Name("clock"), ArgumentCases.Table("x-message-ttl", 30));
        await s.PublishAsync("", s.Name("clock"), "tick");
        await s.UntilCountAsync(0, s.Name("clock"));
        s.Note(await s.Channel.MessageCountAsync(s.Q));
        await s.DrainAsync();
    }
}
