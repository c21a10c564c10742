using System.Text;
using RabbitMQ.Client.Events;

namespace SafeAmqp.Testing.Tests.Conformance;

/// <summary>Streams: how they are declared, where their consumers begin, and how these go on.</summary>
internal static class StreamCases
{
    private const string Offset = "x-stream-offset";

    private static readonly (string Name, object? Value)[] Arguments =
    [
        ("x-max-length", 5), ("x-max-length-bytes", 1000), ("x-max-length-bytes", -1), ("x-max-length-bytes", "1"),
        ("x-stream-max-segment-size-bytes", 1000), ("x-stream-max-segment-size-bytes", 0),
        ("x-stream-max-segment-size-bytes", -1), ("x-stream-max-segment-size-bytes", 3_000_000_000),
        ("x-stream-max-segment-size-bytes", "1"), ("x-initial-cluster-size", 1), ("x-initial-cluster-size", 0),
        ("x-message-ttl", 5), ("x-expires", 5), ("x-max-priority", 5), ("x-delivery-limit", 5), ("x-unknown", 3),
        ("x-stream-filter-size-bytes", 16), ("x-stream-filter-size-bytes", 15), ("x-stream-filter-size-bytes", 255),
        ("x-stream-filter-size-bytes", 256), ("x-quorum-initial-group-size", 1), ("x-queue-version", 2),
        ("x-consumer-timeout", 5), ("x-overflow", "drop-head"), ("x-dead-letter-exchange", "a"),
        ("x-queue-leader-locator", "least-leaders"), ("x-queue-leader-locator", "nonsense"), ("x-queue-mode", "lazy"),
        ("x-queue-master-locator", "min-masters"), ("x-single-active-consumer", true), ("x-max-age", 5),
        .. new[]
        {
            "1h",
            "1x",
            "h",
            "",
            "10",
            "-1h",
            "1Y",
            "2M",
            "3D",
            "4m",
            "5s",
            "1S",
            "1 h",
            "1.5h",
            "0s",
            "99999999999Y"
        }
            .Select(age => ("x-max-age", (object?)age)),
    ];

    private static readonly (string Name, object? Value)[] Again =
    [
        ("x-max-age", "1h"), ("x-max-age", "60m"), ("x-max-age", null), ("x-max-length-bytes", 5),
        ("x-unknown", 5), ("x-stream-max-segment-size-bytes", 5), ("x-stream-filter-size-bytes", 20),
        ("x-queue-leader-locator", "balanced"), ("x-queue-type", null), ("x-queue-type", "classic"),
        ("x-queue-type", "quorum"),
    ];

    private static readonly object?[] Offsets =
    [
        "first", "last", "next", "", "bogus", "FIRST", 0L, 2, 4L, 5, 99, -1, (byte)3, "1h", "3D", "1x", "h", "0", "2",
        "-1h", new AmqpTimestamp(0), new AmqpTimestamp(4_000_000_000), 2.5, true, null,
    ];

    private static readonly (string Name, Dictionary<string, object?> Arguments)[] Filters =
    [
        ("one value", new() { ["x-stream-filter"] = "a" }),
        ("two values", new() { ["x-stream-filter"] = new List<object?> { "a", "b" } }),
        ("one value and what has none", new() { ["x-stream-filter"] = "a", ["x-stream-match-unfiltered"] = true }),
        ("one value and a word", new() { ["x-stream-filter"] = "a", ["x-stream-match-unfiltered"] = "true" }),
        ("no value and what has none", new() { ["x-stream-match-unfiltered"] = true }),
        ("a value that nothing has", new() { ["x-stream-filter"] = "z" }),
        ("a number", new() { ["x-stream-filter"] = 1 }),
        ("no values", new() { ["x-stream-filter"] = new List<object?>() }),
        ("a list of numbers", new() { ["x-stream-filter"] = new List<object?> { 1 } }),
    ];

    public static IEnumerable<Case> All =>
    [
        .. new[] { (true, false, false), (false, false, false), (true, true, false), (true, false, true) }.Select(q =>
            new Case($"stream: durable {q.Item1}, exclusive {q.Item2}, auto-delete {q.Item3}", s =>
                s.TryAsync(c => c.QueueDeclareAsync(s.Q, q.Item1, q.Item2, q.Item3, Stream())))),
        .. new[] { "stream", "quorum" }.Select(type => new Case($"stream: a {type} queue named by the broker", s =>
            s.TryAsync(c => c.QueueDeclareAsync("", true, false, false, Stream("x-queue-type", type))))),
        .. Arguments.Select(a => new Case($"stream: argument {a.Name} = {a.Value} ({a.Value?.GetType().Name})", s =>
            s.TryAsync(_ => s.DeclareAsync(arguments: Stream(a.Name, a.Value), durable: true)))),
        .. Again.Select(a => new Case($"stream: declared again with {a.Name} = {a.Value}", async s =>
        {
            await s.DeclareAsync(arguments: Stream("x-max-age", "1h"), durable: true);
            Dictionary<string, object?> again = Stream("x-max-age", "1h");
            if (a.Value is null) again.Remove(a.Name);
            else again[a.Name] = a.Value;
            await s.TryAsync(_ => s.DeclareAsync(arguments: again, durable: true));
        })),
        .. Offsets.Select(o => new Case($"stream: from {o ?? "nowhere"} ({o?.GetType().Name}) on", s => From(s, o))),
        .. new object?[] { "first", "last", "next", 0, "1h" }
            .Select(o => new Case($"stream: an empty one from {o} on", async s =>
        {
            await s.DeclareAsync(arguments: Stream(), durable: true);
            Inbox inbox = await ReadAsync(s, o);
            await s.PublishAsync("", s.Q, "p");
            s.Note(await inbox.TextAsync());
        })),
        new("stream: from an offset that is still to come", async s =>
        {
            await Filled(s, 3);
            Inbox inbox = await ReadAsync(s, 5);
            for (int i = 3; i < 7; i++) await s.PublishAsync("", s.Q, $"{i}");
            for (int i = 5; i < 7; i++) s.Note(Show(s, await inbox.NextAsync()));
        }),
        new("stream: what is refused", Refused),
        new("stream: counts are not told", async s =>
        {
            await Filled(s, 3);
            await ReadAsync(s, "first");
            QueueDeclareOk told = await s.Channel.QueueDeclarePassiveAsync(s.Q);
            s.Note($"{told.MessageCount} {told.ConsumerCount}");
            s.Note(await s.Channel.QueueDeleteAsync(s.Q, ifUnused: true, ifEmpty: true));
        }),
        new("stream: a consumer is told that it is gone", async s =>
        {
            await Filled(s, 1);
            Inbox inbox = await ReadAsync(s, "first");
            s.Note(await inbox.TextAsync());
            await s.Channel.QueueDeleteAsync(s.Q);
            await inbox.Cancelled;
            s.Note("cancelled");
        }),
        new("stream: every consumer gets everything", async s =>
        {
            await Filled(s, 3);
            Inbox[] inboxes = [
                await ReadAsync(s, "first"), await ReadAsync(s, "first", exclusive: true), await ReadAsync(s, 1)];
            await s.PublishAsync("", s.Q, "3");
            foreach (Inbox inbox in inboxes)
                s.Note($"{await inbox.TextAsync()} {await inbox.TextAsync()} {await inbox.TextAsync()}");
        }),
        new("stream: a filter that finds nothing, and then something", async s =>
        {
            await s.DeclareAsync(durable: true, arguments: ArgumentCases.Table("x-queue-type", "stream"));
            await s.Channel.BasicQosAsync(0, 10, false);
            Inbox inbox = await s.ConsumeAsync(arguments: new Dictionary<string, object?>
            {
                [Offset] = "first",
                ["x-stream-filter"] = "a",
            });
            foreach (string value in new[] { "b", "b", "a", "b", "a" })
                await s.PublishAsync(
                    "", s.Q, value, p => p.Headers = ArgumentCases.Table("x-stream-filter-value", value));
            for (int i = 0; i < 2; i++)
                s.Note(Show(s, await inbox.NextAsync()));
        }),
        new("stream: refused together with a message of another queue", async s =>
        {
            await s.DeclareAsync(durable: true, arguments: ArgumentCases.Table("x-queue-type", "stream"));
            await s.DeclareAsync(s.Name("classic"));
            await s.PublishAsync("", s.Q, "m");
            await s.PublishAsync("", s.Name("classic"), "m");
            IConnection other = await s.ConnectAsync();
            IChannel channel = await other.CreateChannelAsync();
            await channel.BasicQosAsync(0, 1, false);
            await channel.BasicGetAsync(s.Name("classic"), false);
            Inbox inbox = await s.ConsumeAsync(channel: channel, arguments: ArgumentCases.Table(Offset, "first"));
            await inbox.NextAsync();
            await channel.BasicNackAsync(0, multiple: true, requeue: true);
            await s.UntilCountAsync(1, s.Name("classic"));
            await s.DrainAsync(s.Name("classic"));
        }),
        .. new[] { "ack", "ack of many", "nack", "nack with requeue", "reject", "reject with requeue", "recover" }
            .Select(how =>
            new Case($"stream: {how} is credit", s => Credit(s, how))),
        new("stream: an acknowledgement out of order is credit", async s =>
        {
            await Filled(s, 5);
            Inbox inbox = await ReadAsync(s, "first", prefetch: 2);
            (ulong first, ulong second) =
                ((await inbox.NextAsync()).DeliveryTag, (await inbox.NextAsync()).DeliveryTag);
            await s.Channel.BasicAckAsync(second, false);
            s.Note(Show(s, await inbox.NextAsync()));
            await s.Channel.BasicAckAsync(first, false);
            s.Note(Show(s, await inbox.NextAsync()));
        }),
        new("stream: settling twice closes the channel", async s =>
        {
            await Filled(s, 1);
            await s.ClosedByAsync(async c =>
            {
                await c.BasicQosAsync(0, 5, false);
                Inbox inbox = await s.ConsumeAsync(channel: c, arguments: From("first"));
                ulong tag = (await inbox.NextAsync()).DeliveryTag;
                await c.BasicAckAsync(tag, false);
                await c.BasicAckAsync(tag, false);
            });
        }),
        new("stream: what a lost channel had comes to the next consumer again", async s =>
        {
            await Filled(s, 3);
            IChannel c = await s.NewChannelAsync();
            Inbox inbox = await ReadAsync(s, "first", channel: c);
            s.Note(await inbox.TextAsync());
            await c.CloseAsync();
            s.Note(await (await ReadAsync(s, "first")).TextAsync());
        }),
        new("stream: exchanges and keys", async s =>
        {
            await s.DeclareAsync(arguments: Stream(), durable: true);
            await s.Channel.QueueBindAsync(s.Q, "amq.topic", s.Name("#"));
            await s.PublishAsync("amq.topic", s.Name("key"), "m", mandatory: true);
            s.Note(Show(s, await (await ReadAsync(s, "first")).NextAsync()));
        }),
        new("stream: properties", async s =>
        {
            await s.DeclareAsync(arguments: Stream(), durable: true);
            await s.PublishAsync("", s.Q, "m", PublishCases.SetAll);
            await s.PublishAsync("", s.Q, "m");
            await s.PublishAsync("", s.Q, "m", p => p.DeliveryMode = DeliveryModes.Transient);
            Inbox inbox = await ReadAsync(s, "first");
            for (int i = 0; i < 3; i++)
            {
                IReadOnlyBasicProperties p = (await inbox.NextAsync()).BasicProperties;
                s.Note($"{PublishCases.ShowAll(p)} {p.IsDeliveryModePresent()}");
            }
        }),
        new("stream: headers of every type", async s =>
        {
            await s.DeclareAsync(arguments: Stream(), durable: true);
            Dictionary<string, object?> headers = PublishCases.EveryHeader();
            headers.Remove("decimal");
            foreach (string name in headers.Keys.ToArray())
                headers[$"x-{name}"] = headers[name];
            await s.PublishAsync("", s.Q, "m", p => p.Headers = headers);
            IDictionary<string, object?> got = (await (await ReadAsync(s, "first"))
                .NextAsync()).BasicProperties.Headers!;
            foreach (KeyValuePair<string, object?> header in got)
                s.Note($"{header.Key}={PublishCases.Show(header.Value)}");
        }),
        new("stream: a decimal header", async s =>
        {
            await s.DeclareAsync(arguments: Stream(), durable: true);
            await s.TryAsync(async _ =>
            {
                await using IConnection other = await s.ConnectAsync();
                await using IChannel c = await other.CreateChannelAsync();
                var closed = new TaskCompletionSource<ShutdownEventArgs>(
                    TaskCreationOptions.RunContinuationsAsynchronously);
                other.ConnectionShutdownAsync += (_, why) => Task.FromResult(closed.TrySetResult(why));
                await s.PublishAsync(
                    "", s.Q, "m", p => p.Headers = new Dictionary<string, object?> { ["d"] = 1.5m }, channel: c);
                s.Note(Stage.Show(await closed.Task.WaitAsync(Stage.Limit)));
            });
        }),
        .. Filters.Select(f => new Case($"stream: filtered by {f.Name}", s => Filtered(s, f.Arguments))),
    ];

    private static Dictionary<string, object?> Stream(string? name = null, object? value = null)
    {
        var arguments = new Dictionary<string, object?> { ["x-queue-type"] = "stream" };
        if (name is not null)
            arguments[name] = value;
        return arguments;
    }

    private static Dictionary<string, object?> From(object? offset)
        => offset is null ? [] : new() { [Offset] = offset };

    private static async Task Filled(Stage s, int count)
    {
        await s.DeclareAsync(arguments: Stream(), durable: true);
        for (int i = 0; i < count; i++)
            await s.PublishAsync("", s.Q, $"{i}");
    }

    private static async Task<Inbox> ReadAsync(
        Stage s, object? offset, ushort prefetch = 10, IChannel? channel = null, bool exclusive = false,
        Dictionary<string, object?>? more = null)
    {
        await (channel ?? s.Channel).BasicQosAsync(0, prefetch, false);
        Dictionary<string, object?> arguments = From(offset);
        foreach ((string name, object? value) in more ?? [])
            arguments[name] = value;
        return await s.ConsumeAsync(channel: channel, arguments: arguments, exclusive: exclusive);
    }

    private static object? OffsetOf(BasicDeliverEventArgs got) => got.BasicProperties.Headers?[Offset];

    private static string Show(Stage s, BasicDeliverEventArgs got) =>
        $"{Encoding.UTF8.GetString(got.Body.Span)} at {OffsetOf(got)} {got.Redelivered} "
            + $"{got.Exchange} {s.Plain(got.RoutingKey)}";

    /// <summary>What is there from an offset on, up to a message that is published afterwards.</summary>
    private static async Task From(Stage s, object? offset)
    {
        await Filled(s, 5);
        Inbox? inbox = null;
        await s.TryAsync(async _ => inbox = await ReadAsync(s, offset));
        if (inbox is null || offset is 99)
            return;
        await s.PublishAsync("", s.Q, "end");
        BasicDeliverEventArgs got;
        do
        {
            got = await inbox.NextAsync();
            s.Note(Show(s, got));
        }
        while (OffsetOf(got) is not 5L);
    }

    private static async Task Refused(Stage s)
    {
        await Filled(s, 1);
        await s.TryAsync(c => c.BasicGetAsync(s.Q, true));
        await s.TryAsync(c => c.QueuePurgeAsync(s.Q));
        await s.TryAsync(c => c.BasicConsumeAsync(s.Q, false, new Inbox(c).Consumer));
        await s.TryAsync(c => c.BasicConsumeAsync(s.Q, true, new Inbox(c).Consumer));
        await s.TryAsync(async c =>
        {
            await c.BasicQosAsync(0, 5, global: true);
            await c.BasicConsumeAsync(s.Q, false, new Inbox(c).Consumer);
        });
        await s.TryAsync(async c =>
        {
            await c.BasicQosAsync(0, 5, global: false);
            await c.BasicConsumeAsync(s.Q, true, new Inbox(c).Consumer);
        });
    }

    /// <summary>Settles one of two, and notes what comes then, or what closes the connection.</summary>
    private static async Task Credit(Stage s, string how)
    {
        await Filled(s, 4);
        await using IConnection other = await s.ConnectAsync();
        await using IChannel c = await other.CreateChannelAsync();
        var closed = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        other.ConnectionShutdownAsync += (_, why) => Task.FromResult(closed.TrySetResult(Stage.Show(why)));
        Inbox inbox = await ReadAsync(s, "first", prefetch: 2, channel: c);
        BasicDeliverEventArgs first = await inbox.NextAsync(), second = await inbox.NextAsync();
        s.Note($"{Show(s, first)}, {Show(s, second)}, {inbox.Waiting} more");
        ulong tag = first.DeliveryTag;
        switch (how)
        {
            case "ack": await c.BasicAckAsync(tag, false); break;
            case "ack of many": await c.BasicAckAsync(second.DeliveryTag, multiple: true); break;
            case "nack": await c.BasicNackAsync(tag, false, requeue: false); break;
            case "nack with requeue": await c.BasicNackAsync(tag, false, requeue: true); break;
            case "reject": await c.BasicRejectAsync(tag, requeue: false); break;
            case "reject with requeue": await c.BasicRejectAsync(tag, requeue: true); break;
            default:
                using (RawClient raw = await RawClient.OpenAsync(s.Uri))
                {
                    await raw.CallAsync(1, 60, 10, [0, 0, 0, 0, 0, 9, 0]);
                    byte[] arguments = [.. RawClient.ShortText(Offset), (byte)'S', .. RawClient.LongText("last")];
                    await raw.CallAsync(1, 60, 20, [0, 0, .. RawClient.ShortText(s.Q), 0, 0,
                        .. RawClient.FourOctets(arguments.Length), .. arguments]);
                    for (int i = 0; i < 3; i++) await raw.NextAsync();
                    s.Note(await raw.CallAsync(1, 60, 110, [1]));
                }
                return;
        }
        Task<BasicDeliverEventArgs> next = inbox.NextAsync();
        s.Note(await Task.WhenAny(next, closed.Task) == next ? Show(s, await next) : await closed.Task);
        if (how == "ack of many")
            s.Note(Show(s, await inbox.NextAsync()));
    }

    private static async Task Filtered(Stage s, Dictionary<string, object?> filter)
    {
        await s.DeclareAsync(arguments: Stream(), durable: true);
        foreach (string? value in new[] { "a", "b", null, "a", "c" })
        {
            await s.PublishAsync("", s.Q, value ?? "none", p => p.Headers = value is null
                ? null : new Dictionary<string, object?> { ["x-stream-filter-value"] = value });
        }
        Inbox? inbox = null, all = null;
        await s.TryAsync(async _ => inbox = await ReadAsync(s, "first", more: filter));
        if (inbox is null)
            return;
        // Where everything has come, what is filtered has, too.
        all = await ReadAsync(s, "first");
        for (int i = 0; i < 5; i++)
            await all.NextAsync();
        await s.PublishAsync(
            "", s.Q, "end", p => p.Headers = new Dictionary<string, object?> { ["x-stream-filter-value"] = "a" });
        if (filter.GetValueOrDefault("x-stream-filter") is "z")
        {
            await all.NextAsync();
            s.Note(inbox.Waiting);
            return;
        }
        string text;
        do
        {
            text = await inbox.TextAsync();
            s.Note(text);
        }
        while (text != "end");
    }
}
