using RabbitMQ.Client.Events;

namespace SafeAmqp.Testing.Tests.Conformance;

/// <summary>Consumers: which one gets what, when, and how they end.</summary>
internal static class ConsumeCases
{
    public static IEnumerable<Case> All =>
    [
        new(
            "a consumer of a queue that is not there",
            s => s.TryAsync(c => c.BasicConsumeAsync(s.Q, true, new Inbox(c).Consumer))),
        new("reading a queue that is not there", s => s.TryAsync(c => c.BasicGetAsync(s.Q, true))),
        new("reading an empty queue", async s => { await s.DeclareAsync(); await s.DrainAsync(); }),
        new("reading says how many are left", async s =>
        {
            await s.DeclareAsync();
            for (int i = 0; i < 3; i++) await s.PublishAsync("", s.Q, $"{i}");
            await s.DrainAsync(show: got => $"{Stage.Text(got)} {got.MessageCount}");
        }),
        new("a consumer tag is used twice", s => s.TryAsync(async c =>
        {
            await s.DeclareAsync();
            await s.ConsumeAsync(tag: "same");
            await s.ConsumeAsync(tag: "same");
        })),
        new("a consumer's tag is the client's", async s =>
        {
            await s.DeclareAsync();
            Inbox i = await s.ConsumeAsync(tag: "mine");
            s.Note(i.Tag);
            await s.PublishAsync("", s.Q, "m");
            s.Note((await i.NextAsync()).ConsumerTag);
        }),
        new("a consumer's tag is the broker's", async s =>
        {
            await s.DeclareAsync();
            Inbox i = await s.ConsumeAsync();
            s.Note(i.Tag.StartsWith("amq.ctag-", StringComparison.Ordinal));
            s.Note(i.Tag.Length);
        }),
        new("an exclusive consumer beside another", s => s.TryAsync(
            async c => { await s.DeclareAsync(); await s.ConsumeAsync(); await s.ConsumeAsync(exclusive: true); })),
        new("a consumer beside an exclusive one", s => s.TryAsync(
            async c => { await s.DeclareAsync(); await s.ConsumeAsync(exclusive: true); await s.ConsumeAsync(); })),
        new("a consumer is told that its queue is gone", async s =>
        {
            await s.DeclareAsync();
            Inbox i = await s.ConsumeAsync();
            await s.Channel.QueueDeleteAsync(s.Q);
            await i.Cancelled;
            s.Note("cancelled");
            s.Note(s.Channel.IsOpen);
        }),
        new("an unknown consumer is cancelled", s => s.TryAsync(c => c.BasicCancelAsync("unknown"))),
        new("a cancelled consumer keeps what it has", CancelKeeps),
        new("messages are delivered in order", async s =>
        {
            await s.DeclareAsync();
            for (int i = 0; i < 10; i++) await s.PublishAsync("", s.Q, $"{i}");
            Inbox inbox = await s.ConsumeAsync(autoAck: true);
            for (int i = 0; i < 10; i++) s.Note(await inbox.TextAsync());
        }),
        new("delivery tags count up over consumers and gets", Tags),
        new("consumers take turns", Turns),
        .. new ushort[] { 1, 2, 5 }
            .Select(p => new Case($"a prefetch of {p} per consumer", s => Prefetch(s, p, global: false))),
        .. new ushort[] { 1, 3 }
            .Select(p => new Case($"a prefetch of {p} per channel", s => Prefetch(s, p, global: true))),
        new("a prefetch per channel is shared by consumers of one queue in turn", async s =>
        {
            await Filled(s, 6);
            await s.Channel.BasicQosAsync(0, 1, global: true);
            Inbox[] inboxes = [await s.ConsumeAsync(), await s.ConsumeAsync()];
            var order = new List<int>();
            for (int i = 0; i < 6; i++)
            {
                await Stage.UntilAsync(() => Task.FromResult(inboxes[0].Waiting + inboxes[1].Waiting == 1));
                order.Add(inboxes[0].Waiting == 1 ? 0 : 1);
                await s.Channel.BasicAckAsync((await inboxes[order[^1]].NextAsync()).DeliveryTag, false);
            }
            // Which comes second depends on when the first ack meets the second consumer; from then on they alternate.
            s.Note(order.Skip(2).Zip(order.Skip(3)).All(pair => pair.First != pair.Second));
        }),
        new("a prefetch per channel is shared by consumers of many queues", async s =>
        {
            string[] queues = ["a", "b", "c"];
            foreach (string queue in queues)
            {
                await s.DeclareAsync(s.Name(queue));
                for (int i = 0; i < 10; i++)
                    await s.PublishAsync("", s.Name(queue), $"{i}");
            }
            await s.Channel.BasicQosAsync(0, 1, global: true);
            var inboxes = new List<Inbox>();
            foreach (string queue in queues)
                inboxes.Add(await s.ConsumeAsync(s.Name(queue)));
            var order = new List<int>();
            for (int i = 0; i < 30; i++)
            {
                await Stage.UntilAsync(() => Task.FromResult(inboxes.Any(inbox => inbox.Waiting > 0)));
                order.Add(inboxes.FindIndex(inbox => inbox.Waiting > 0));
                await s.Channel.BasicAckAsync((await inboxes[order[^1]].NextAsync()).DeliveryTag, false);
            }
            // RabbitMQ chooses at random; but none is served to its end while others wait.
            s.Note(order.Take(27).Zip(order.Skip(1)).Count(pair => pair.First != pair.Second) > 5);
        }),
        new("a prefetch per channel holds a consumer that needs no ack", async s =>
        {
            await Filled(s, 2);
            await s.DeclareAsync(s.Name("other"));
            await s.PublishAsync("", s.Name("other"), "m");
            await s.Channel.BasicQosAsync(0, 1, global: true);
            Inbox acking = await s.ConsumeAsync();
            ulong tag = (await acking.NextAsync()).DeliveryTag;
            Inbox free = await s.ConsumeAsync(s.Name("other"), autoAck: true);
            s.Note(await s.Channel.MessageCountAsync(s.Name("other")));
            await s.Channel.BasicCancelAsync(acking.Tag);
            await s.Channel.BasicAckAsync(tag, false);
            s.Note(await free.TextAsync());
        }),
        new("a prefetch is for the consumers that come after it", async s =>
        {
            await Filled(s, 4);
            Inbox first = await s.ConsumeAsync();
            await s.Channel.BasicQosAsync(0, 1, false);
            for (int i = 0; i < 4; i++) s.Note(await first.TextAsync());
        }),
        new("a prefetch does not bind a consumer that needs no ack", async s =>
        {
            await Filled(s, 3);
            await s.Channel.BasicQosAsync(0, 1, false);
            Inbox i = await s.ConsumeAsync(autoAck: true);
            for (int n = 0; n < 3; n++) s.Note(await i.TextAsync());
        }),
        new("a prefetch in octets", s => s.TryAsync(c => c.BasicQosAsync(10, 0, false))),
        new("a higher priority is served first", ConsumerPriority),
        new("a consumer priority that is no number", s => s.TryAsync(async c =>
        {
            await s.DeclareAsync();
            await s.ConsumeAsync(arguments: new Dictionary<string, object?> { ["x-priority"] = "high" });
        })),
        .. from type in new[] { "classic", "quorum", "stream" }
           from argument in new[] { ("x-priority", (object)5), ("x-stream-offset", 5L), ("x-stream-filter", "a"),
               ("x-stream-match-unfiltered", true), ("x-cancel-on-ha-failover", true), ("x-unknown", 5) }
           select new Case($"a consumer of a {type} queue with {argument.Item1}", s => s.TryAsync(async c =>
           {
               await s.DeclareAsync(durable: true, arguments: ArgumentCases.Table("x-queue-type", type));
               await c.BasicQosAsync(0, 5, false);
               await s.ConsumeAsync(arguments: ArgumentCases.Table(argument.Item1, argument.Item2));
           })) { TellsVersions = true },
        new("a single active consumer and its heir", SingleActive),
        .. new[] { "classic", "quorum" }.Select(type => new Case(
            $"the heir of a {type} queue's single active consumer", s => HeirAsync(s, type)) { TellsVersions = true }),
        new("an exclusive consumer where one is active", s => s.TryAsync(async _ =>
        {
            await s.DeclareAsync(arguments: ArgumentCases.Table("x-single-active-consumer", true));
            await s.ConsumeAsync(exclusive: true);
        })),
        new("reading beside a single active consumer", async s =>
        {
            await s.DeclareAsync(arguments: ArgumentCases.Table("x-single-active-consumer", true));
            await s.PublishAsync("", s.Q, "m");
            await s.DrainAsync();
        }),
        new("a consumer on a queue that is filled later", async s =>
        {
            await s.DeclareAsync();
            Inbox i = await s.ConsumeAsync(autoAck: true);
            await s.PublishAsync("", s.Q, "later");
            s.Note(await i.TextAsync());
        }),
        new("the connection that closes gives back", async s =>
        {
            await Filled(s, 3);
            IConnection other = await s.ConnectAsync();
            IChannel c = await other.CreateChannelAsync();
            Inbox i = await s.ConsumeAsync(channel: c);
            for (int n = 0; n < 3; n++) await i.NextAsync();
            await other.CloseAsync();
            await s.UntilCountAsync(3);
            await s.DrainAsync();
        }),
    ];

    private static async Task Filled(Stage s, int count)
    {
        await s.DeclareAsync();
        for (int i = 0; i < count; i++)
            await s.PublishAsync("", s.Q, $"{i}");
    }

    private static async Task CancelKeeps(Stage s)
    {
        await Filled(s, 1);
        Inbox inbox = await s.ConsumeAsync();
        BasicDeliverEventArgs got = await inbox.NextAsync();
        await s.Channel.BasicCancelAsync(inbox.Tag);
        await s.DrainAsync();
        await s.Channel.BasicAckAsync(got.DeliveryTag, false);
        await s.Channel.BasicNackAsync(0, multiple: true, requeue: true);
        await s.DrainAsync();
    }

    private static async Task Tags(Stage s)
    {
        await Filled(s, 3);
        s.Note((await s.Channel.BasicGetAsync(s.Q, false))!.DeliveryTag);
        s.Note((await s.Channel.BasicGetAsync(s.Q, true))!.DeliveryTag);
        Inbox inbox = await s.ConsumeAsync();
        s.Note((await inbox.NextAsync()).DeliveryTag);
    }

    private static async Task Turns(Stage s)
    {
        await s.DeclareAsync();
        Inbox[] inboxes = [
            await s.ConsumeAsync(autoAck: true),
            await s.ConsumeAsync(autoAck: true),
            await s.ConsumeAsync(autoAck: true)];
        for (int i = 0; i < 6; i++)
            await s.PublishAsync("", s.Q, $"{i}");
        foreach (Inbox inbox in inboxes)
            s.Note($"{await inbox.TextAsync()} {await inbox.TextAsync()}");
    }

    private static async Task Prefetch(Stage s, ushort prefetch, bool global)
    {
        await Filled(s, 8);
        await s.Channel.BasicQosAsync(0, prefetch, global);
        Inbox inbox = await s.ConsumeAsync();
        for (int i = 0; i < prefetch; i++)
            s.Note(await inbox.TextAsync());
        s.Note(await s.Channel.MessageCountAsync(s.Q));
        s.Note(inbox.Waiting);
        await s.Channel.BasicAckAsync(prefetch, multiple: true);
        s.Note(await inbox.TextAsync());
    }

    private static async Task ConsumerPriority(Stage s)
    {
        await s.DeclareAsync();
        await s.Channel.BasicQosAsync(0, 2, false);
        Inbox low = await s.ConsumeAsync(arguments: new Dictionary<string, object?> { ["x-priority"] = 1 });
        Inbox high = await s.ConsumeAsync(arguments: new Dictionary<string, object?> { ["x-priority"] = 10 });
        for (int i = 0; i < 4; i++)
            await s.PublishAsync("", s.Q, $"{i}");
        s.Note($"high {await high.TextAsync()} {await high.TextAsync()}");
        s.Note($"low {await low.TextAsync()} {await low.TextAsync()}");
    }

    private static async Task SingleActive(Stage s)
    {
        await s.DeclareAsync(arguments: new Dictionary<string, object?> { ["x-single-active-consumer"] = true });
        Inbox first = await s.ConsumeAsync(autoAck: true);
        Inbox second = await s.ConsumeAsync(autoAck: true);
        await s.PublishAsync("", s.Q, "1");
        await s.PublishAsync("", s.Q, "2");
        s.Note($"first {await first.TextAsync()} {await first.TextAsync()} second {second.Waiting}");
        await s.Channel.BasicCancelAsync(first.Tag);
        await s.PublishAsync("", s.Q, "3");
        s.Note($"second {await second.TextAsync()}");
    }

    /// <summary>Three consumers of different priorities; the active one goes.</summary>
    private static async Task HeirAsync(Stage s, string type)
    {
        await s.DeclareAsync(durable: true, arguments: new Dictionary<string, object?>
        {
            ["x-queue-type"] = type,
            ["x-single-active-consumer"] = true,
        });
        Inbox active = await s.ConsumeAsync(autoAck: true);
        Inbox low = await s.ConsumeAsync(autoAck: true, arguments: ArgumentCases.Table("x-priority", 1));
        Inbox high = await s.ConsumeAsync(autoAck: true, arguments: ArgumentCases.Table("x-priority", 10));
        await s.Channel.BasicCancelAsync(active.Tag);
        await s.PublishAsync("", s.Q, "m");
        await Stage.UntilAsync(() => Task.FromResult(active.Waiting + low.Waiting + high.Waiting == 1));
        s.Note($"active {active.Waiting} low {low.Waiting} high {high.Waiting}");
    }
}
