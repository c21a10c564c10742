namespace SafeAmqp.Testing.Tests.Conformance;

/// <summary>Publishing: confirms, returns, refusals, properties.</summary>
internal static class PublishCases
{
    public static IEnumerable<Case> All =>
    [
        new(
            "publishing to an exchange that is not there",
            s => s.ClosedByAsync(c => s.PublishAsync(s.X, "k", "m", channel: c))),
        new(
            "a user id of somebody else",
            s => s.ClosedByAsync(c => s.PublishAsync("", "k", "m", p => p.UserId = "mallory", channel: c))),
        new("one's own user id", s => s.TryAsync(async c =>
        {
            await s.DeclareAsync();
            await s.PublishAsync("", s.Q, "m", p => p.UserId = "guest");
            await s.DrainAsync();
        })),
        .. new[] { "abc", "-1", "1.5", "", "10 " }.Select(e => new Case(
            $"an expiration of '{e}'",
            s => s.ClosedByAsync(c => s.PublishAsync("", "k", "m", p => p.Expiration = e, channel: c)))),
        new("confirms come in order", Confirms),
        new("a confirm for what is not routed", async s =>
        {
            await using IChannel c = await s.NewChannelAsync(true);
            await s.TryAsync(() => s.PublishAsync("", s.Name("none"), "m", channel: c));
        }),
        new("a mandatory message is returned before its confirm", Returned),
        new("a mandatory message that is routed is not returned", s => s.TryAsync(async _ =>
        {
            await using IChannel c = await s.NewChannelAsync(true);
            await s.DeclareAsync();
            await s.PublishAsync("", s.Q, "m", mandatory: true, channel: c);
            await s.DrainAsync();
        })),
        new("a full queue that refuses", async s =>
        {
            await s.DeclareAsync(
                arguments: new Dictionary<string, object?> { ["x-max-length"] = 1, ["x-overflow"] = "reject-publish" });
            await using IChannel c = await s.NewChannelAsync(true);
            await s.TryAsync(() => s.PublishAsync("", s.Q, "1", channel: c));
            await s.TryAsync(() => s.PublishAsync("", s.Q, "2", channel: c));
            await s.DrainAsync();
        }),
        new("all properties come through", Properties),
        new("header types come through", HeaderTypes),
        .. new[] { 64, 65, 66, 500 }.Select(depth => new Case($"headers nested {depth} deep come through", async s =>
        {
            await s.DeclareAsync();
            await s.PublishAsync("", s.Q, "m", p => p.Headers = Nested(depth));
            await s.DrainAsync(show: got => Innermost(got.BasicProperties.Headers!));
        })),
        .. new[] { 0, 1, 131064, 131065, 400_000 }.Select(size => new Case($"a body of {size}", async s =>
        {
            await s.DeclareAsync();
            await s.PublishAsync("", s.Q, new string('x', size));
            await s.DrainAsync(show: got => $"{got.Body.Length} {got.Body.Span.IndexOfAnyExcept((byte)'x')}");
        })),
        new("transactions without tx.select: commit", s => s.TryAsync(c => c.TxCommitAsync())),
        new("transactions without tx.select: rollback", s => s.TryAsync(c => c.TxRollbackAsync())),
    ];

    private static async Task Confirms(Stage s)
    {
        await using IChannel c = await s.NewChannelAsync(true);
        await s.DeclareAsync();
        for (int i = 0; i < 20; i++)
            await s.PublishAsync("", s.Q, $"{i}", channel: c);
        s.Note(await c.GetNextPublishSequenceNumberAsync());
        await s.DrainAsync();
    }

    private static async Task Returned(Stage s)
    {
        await using IChannel c = await s.Connection.CreateChannelAsync(new CreateChannelOptions(true, false));
        var seen = new List<string>();
        var acked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        c.BasicReturnAsync += (_, e) =>
        {
            seen.Add($"returned {e.ReplyCode} {e.ReplyText} {s.Plain(e.Exchange)} "
                + $"{e.RoutingKey} {e.BasicProperties.MessageId} {e.Body.Length}");
            return Task.CompletedTask;
        };
        c.BasicAcksAsync += (_, e) =>
        {
            seen.Add($"acked {e.DeliveryTag}");
            acked.TrySetResult();
            return Task.CompletedTask;
        };
        await s.PublishAsync("amq.direct", "nowhere", "body", p => p.MessageId = "id", mandatory: true, channel: c);
        await acked.Task.WaitAsync(Stage.Limit);
        seen.ForEach(s.Note);
    }

    /// <summary>Sets every property but the headers.</summary>
    public static void SetAll(BasicProperties p)
    {
        p.ContentType = "text/plain";
        p.ContentEncoding = "utf-8";
        p.DeliveryMode = DeliveryModes.Persistent;
        p.Priority = 7;
        p.CorrelationId = "c";
        p.ReplyTo = "r";
        p.Expiration = "60000";
        p.MessageId = "m";
        p.Timestamp = new AmqpTimestamp(1234567890);
        p.Type = "t";
        p.UserId = "guest";
        p.AppId = "a";
        p.ClusterId = "cl";
    }

    public static string ShowAll(IReadOnlyBasicProperties p) => string.Join('|', p.ContentType, p.ContentEncoding,
        p.DeliveryMode, p.Priority, p.CorrelationId, p.ReplyTo, p.Expiration, p.MessageId, p.Timestamp.UnixTime, p.Type,
        p.UserId, p.AppId, p.ClusterId);

    public static Dictionary<string, object?> EveryHeader() => new()
    {
        ["int"] = 1,
        ["uint"] = 2u,
        ["long"] = 3L,
        ["short"] = (short)4,
        ["ushort"] = (ushort)5,
        ["byte"] = (byte)6,
        ["sbyte"] = (sbyte)-7,
        ["bool"] = true,
        ["double"] = 1.5,
        ["float"] = 2.5f,
        ["decimal"] = 12.34m,
        ["text"] = "t",
        ["time"] = new AmqpTimestamp(99),
        ["void"] = null,
        ["binary"] = new BinaryTableValue([1, 2, 3]),
        ["table"] = new Dictionary<string, object?> { ["a"] = 1 },
        ["list"] = new List<object?> { 1, "two" },
    };

    private static async Task Properties(Stage s)
    {
        await s.DeclareAsync();
        await s.PublishAsync("", s.Q, "m", SetAll);
        await s.DrainAsync(show: got => string.Join(
            '|', ShowAll(got.BasicProperties), got.Exchange, s.Plain(got.RoutingKey),
            got.Redelivered, got.MessageCount, got.BasicProperties.IsHeadersPresent()));
    }

    private static async Task HeaderTypes(Stage s)
    {
        await s.DeclareAsync();
        await s.PublishAsync("", s.Q, "m", p => p.Headers = EveryHeader());
        await s.DrainAsync(
            show: got => string.Join('\n', got.BasicProperties.Headers!.OrderBy(h => h.Key, StringComparer.Ordinal)
                .Select(h => $"{h.Key}={Show(h.Value)}")));
    }

    /// <summary>Tables and arrays by turns.</summary>
    public static Dictionary<string, object?> Nested(int depth)
    {
        object? value = "innermost";
        for (int i = 1; i < depth; i++)
            value = i % 2 == 0 ? new List<object?> { i, value } : new Dictionary<string, object?> { ["k"] = value };
        return new Dictionary<string, object?> { ["k"] = value };
    }

    public static string Innermost(object? value)
    {
        int depth = 0;
        for (; value is not byte[]; depth++)
            value = value is IList<object?> list ? list[1] : ((IDictionary<string, object?>)value!)["k"];
        return $"{Show(value)} {depth} deep";
    }

    public static string Show(object? value) => value switch
    {
        null => "null",
        byte[] bytes => System.Text.Encoding.UTF8.GetString(bytes),
        BinaryTableValue binary => "binary " + Convert.ToHexString(binary.Bytes!),
        IDictionary<string, object?> table => "{" + string.Join(
            ',', table.OrderBy(t => t.Key, StringComparer.Ordinal).Select(t => $"{t.Key}={Show(t.Value)}")) + "}",
        IEnumerable<object?> list => "[" + string.Join(',', list.Select(Show)) + "]",
        _ => $"{value.GetType().Name} {value}",
    };
}
