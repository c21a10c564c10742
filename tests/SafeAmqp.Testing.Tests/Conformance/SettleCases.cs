namespace SafeAmqp.Testing.Tests.Conformance;

/// <summary>Acknowledging, rejecting, requeueing: what becomes of a message, and where it stands afterwards.</summary>
internal static class SettleCases
{
    public static IEnumerable<Case> All =>
    [
        new("an unknown tag is acknowledged", s => s.ClosedByAsync(c => c.BasicAckAsync(77, false).AsTask())),
        new("unknown tags are acknowledged together", s => s.ClosedByAsync(c => c.BasicAckAsync(77, true).AsTask())),
        new("an unknown tag is rejected", s => s.ClosedByAsync(c => c.BasicRejectAsync(5, false).AsTask())),
        new("an unknown tag is refused", s => s.ClosedByAsync(c => c.BasicNackAsync(5, false, true).AsTask())),
        new("tag 0 alone is acknowledged", s => s.ClosedByAsync(c => c.BasicAckAsync(0, false).AsTask())),
        new("a tag is acknowledged twice", s => s.ClosedByAsync(async c =>
        {
            await Filled(s, 1);
            await c.BasicGetAsync(s.Q, false);
            await c.BasicAckAsync(1, false);
            await c.BasicAckAsync(1, false);
        })),
        new("tags are acknowledged together twice", s => s.ClosedByAsync(async c =>
        {
            await Filled(s, 1);
            await c.BasicGetAsync(s.Q, false);
            await c.BasicAckAsync(1, true);
            await c.BasicAckAsync(1, true);
        })),
        .. new[] { "ack", "nack" }.Select(how => new Case(
            $"settling with {how} up to a tag that is settled", s => UpToSettledAsync(s, how, noAck: false))),
        new("settling with ack up to a tag that needs none", s => UpToSettledAsync(s, "ack", noAck: true)),
        new("all are acknowledged with tag 0 where none are out", s => s.TryAsync(async c =>
        {
            await s.DeclareAsync();
            await c.BasicAckAsync(0, true);
            await c.QueueDeclarePassiveAsync(s.Q);
        })),
        new("all are acknowledged with tag 0", s => With(s, 4, (c, _) => c.BasicAckAsync(0, true).AsTask())),
        new("some are acknowledged together", s => With(s, 4, (c, t) => c.BasicAckAsync(t[1], true).AsTask())),
        new("one in the middle is acknowledged", s => With(s, 4, (c, t) => c.BasicAckAsync(t[1], false).AsTask())),
        new("one is rejected and put back", s => With(s, 3, (c, t) => c.BasicRejectAsync(t[1], true).AsTask())),
        new("one is rejected", s => With(s, 3, (c, t) => c.BasicRejectAsync(t[1], false).AsTask())),
        new("all are put back together", s => With(s, 4, (c, t) => c.BasicNackAsync(t[3], true, true).AsTask())),
        new("some are put back together", s => With(s, 4, (c, t) => c.BasicNackAsync(t[1], true, true).AsTask())),
        new("all are put back with tag 0", s => With(s, 3, (c, t) => c.BasicNackAsync(0, true, true).AsTask())),
        new("all are thrown away together", s => With(s, 3, (c, t) => c.BasicNackAsync(0, true, false).AsTask())),
        new("they are put back one by one, backwards", s => With(
            s, 3, async (c, t) => { foreach (ulong tag in t.Reverse()) await c.BasicNackAsync(tag, false, true); })),
        new(
            "they are put back one by one, forwards",
            s => With(s, 3, async (c, t) => { foreach (ulong tag in t) await c.BasicNackAsync(tag, false, true); })),
        new("a message put back stands before the later ones", async s =>
        {
            await Filled(s, 3);
            BasicGetResult got = (await s.Channel.BasicGetAsync(s.Q, false))!;
            await s.PublishAsync("", s.Q, "later");
            await s.Channel.BasicNackAsync(got.DeliveryTag, false, true);
            await s.DrainAsync();
        }),
        new("a message put back comes again to its consumer", async s =>
        {
            await Filled(s, 1);
            Inbox inbox = await s.ConsumeAsync();
            await s.Channel.BasicNackAsync((await inbox.NextAsync()).DeliveryTag, false, true);
            s.Note(await inbox.TextAsync());
        }),
        new("a channel that closes gives back in order", async s =>
        {
            await Filled(s, 5);
            IChannel c = await s.NewChannelAsync();
            for (int i = 0; i < 3; i++) await c.BasicGetAsync(s.Q, false);
            await c.CloseAsync();
            await s.UntilCountAsync(5);
            await s.DrainAsync();
        }),
        .. new[] { "classic", "quorum" }
            .Select(type => new Case($"the delivery count of a {type} queue", s => DeliveryCount(s, type))),
        new("a delivery limit sends away", DeliveryLimit),
        .. new int?[] { null, 5 }
            .Select(limit => new Case($"what is returned to a quorum queue with limit {limit}", async s =>
        {
            var arguments = new Dictionary<string, object?> { ["x-queue-type"] = "quorum" };
            if (limit is not null)
                arguments["x-delivery-limit"] = limit;
            await s.DeclareAsync(arguments: arguments, durable: true);
            for (int i = 0; i < 4; i++) await s.PublishAsync("", s.Q, $"{i}");
            await s.UntilCountAsync(4);
            BasicGetResult first = (await s.Channel.BasicGetAsync(s.Q, false))!,
                second = (await s.Channel.BasicGetAsync(s.Q, false))!;
            await s.Channel.BasicNackAsync(second.DeliveryTag, false, true);
            await s.Channel.BasicNackAsync(first.DeliveryTag, false, true);
            await s.UntilCountAsync(4);
            await s.DrainAsync();
        }) { TellsVersions = true }),
    ];

    private static async Task Filled(Stage s, int count)
    {
        await s.DeclareAsync();
        for (int i = 0; i < count; i++)
            await s.PublishAsync("", s.Q, $"{i}");
        await s.UntilCountAsync((uint)count);
    }

    /// <summary>Two are out when a third, which is not, is named as the last of those to settle.</summary>
    private static async Task UpToSettledAsync(Stage s, string how, bool noAck)
    {
        await Filled(s, 3);
        await s.ClosedByAsync(async c =>
        {
            await c.BasicGetAsync(s.Q, false);
            await c.BasicGetAsync(s.Q, false);
            await c.BasicGetAsync(s.Q, noAck);
            if (!noAck)
                await c.BasicAckAsync(3, false);
            if (how == "ack")
                await c.BasicAckAsync(3, multiple: true);
            else
                await c.BasicNackAsync(3, multiple: true, requeue: false);
        });
        await s.UntilCountAsync(2);
        await s.DrainAsync();
    }

    /// <summary>Takes messages, settles them somehow, gives the rest back, and notes what the queue has then.</summary>
    private static async Task With(Stage s, int count, Func<IChannel, ulong[], Task> settle)
    {
        await Filled(s, count + 1);
        IChannel c = await s.NewChannelAsync();
        ulong[] tags = new ulong[count];
        for (int i = 0; i < count; i++)
            tags[i] = (await c.BasicGetAsync(s.Q, false))!.DeliveryTag;
        await settle(c, tags);
        s.Note((await c.BasicGetAsync(s.Q, false)) is { } got ? Stage.Text(got) : "empty");
        // The queue learns of a channel that closes some time later; what one channel says it hears in order.
        await c.BasicNackAsync(0, multiple: true, requeue: true);
        s.Note((await c.QueueDeclarePassiveAsync(s.Q)).ConsumerCount);
        await c.CloseAsync();
        await s.DrainAsync();
    }

    private static async Task DeliveryCount(Stage s, string type)
    {
        await s.DeclareAsync(arguments: new Dictionary<string, object?> { ["x-queue-type"] = type }, durable: true);
        await s.PublishAsync("", s.Q, "m");
        Inbox inbox = await s.ConsumeAsync();
        for (int i = 0; i < 3; i++)
        {
            var got = await inbox.NextAsync();
            object? count = null;
            got.BasicProperties.Headers?.TryGetValue("x-delivery-count", out count);
            s.Note($"{got.Redelivered} {PublishCases.Show(count)}");
            await s.Channel.BasicNackAsync(got.DeliveryTag, false, true);
        }
    }

    private static async Task DeliveryLimit(Stage s)
    {
        await s.DeclareAsync(s.Name("dead"));
        await s.DeclareAsync(arguments: new Dictionary<string, object?>
        {
            ["x-queue-type"] = "quorum",
            ["x-delivery-limit"] = 2,
            ["x-dead-letter-exchange"] = "",
            ["x-dead-letter-routing-key"] = s.Name("dead"),
        }, durable: true);
        await s.PublishAsync("", s.Q, "m");
        Inbox inbox = await s.ConsumeAsync();
        for (int i = 0; i < 3; i++)
        {
            var got = await inbox.NextAsync();
            s.Note(got.Redelivered);
            await s.Channel.BasicNackAsync(got.DeliveryTag, false, true);
        }
        await s.UntilCountAsync(1, s.Name("dead"));
        await s.DrainAsync(
            s.Name("dead"),
            got => $"{Stage.Text(got)} {PublishCases.Show(got.BasicProperties.Headers!["x-first-death-reason"])}");
    }
}
