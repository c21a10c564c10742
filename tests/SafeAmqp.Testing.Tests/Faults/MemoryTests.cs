using TestSupport.Wire;

namespace SafeAmqp.Testing.Tests.Faults;

/// <summary>What grows is counted, or bounded, whatever a client makes it grow by.</summary>
public sealed class MemoryTests
{
    private const int Large = 100_000;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("waiting")]
    [InlineData("out")]
    [InlineData("stream")]
    [InlineData("quorum")]
    [InlineData("dead")]
    public async Task What_is_in_headers_counts_like_a_body(string where)
    {
        await using AmqpTestBroker broker = await StartAsync(10_000_000);
        using RawClient client = await RawClient.OpenAsync(broker.Uri);
        using RawClient consumer = await RawClient.OpenAsync(broker.Uri);
        await DeclareAsync(client, "dead");
        await DeclareAsync(client, "q", where switch
        {
            "stream" or "quorum" => Entry("x-queue-type", where),
            "dead" => [.. Entry("x-dead-letter-exchange", ""), .. Entry("x-dead-letter-routing-key", "dead"),
                .. Number("x-max-length", 0)],
            _ => [],
        });
        if (where == "out")
            await ConsumeAsync(consumer, "q");
        _ = FloodAsync(client, "q", 1_000, _ => Headers(Text(Large)), Cancelled);
        await broker.WaitUntilAsync(view => view.Connections.Any(c => c.IsBlocked), cancellationToken: Cancelled);
        int held = await broker.LookAsync(view => view.ReadyCount("q") + view.UnacknowledgedCount("q")
            + view.ReadyCount("dead"));
        Assert.InRange(held, 90, 130); // 10,000,000 / 100,000, and an eighth more before it is counted again
    }

    [Fact]
    public async Task The_history_is_bounded_in_octets_of_headers_too()
    {
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(
            new AmqpTestBrokerOptions { HistoryBytes = 1_000_000 }, Cancelled);
        using RawClient client = await RawClient.OpenAsync(broker.Uri);
        await DeclareAsync(client, "q", Number("x-max-length", 1));
        await FloodAsync(client, "q", 200, _ => Headers(Text(Large)), Cancelled);
        await client.CallAsync(1, 20, 40, [0, 0, 0, 0, 0, 0, 0]);
        Assert.InRange(await broker.LookAsync(view => view.Events.Count(IsPublish)), 1, 10);
    }

    // Not to the octet: the runtime's own objects are about as large as what is counted for them.
    [Theory]
    [InlineData("empty")]
    [InlineData("with an id")]
    [InlineData("many small headers")]
    [InlineData("empty, in a stream")]
    [InlineData("with a filter, in a stream")]
    public async Task What_is_counted_is_about_what_is_taken(string kind)
    {
        const int Limit = 20_000_000;
        await using AmqpTestBroker broker = await StartAsync(Limit);
        using RawClient client = await RawClient.OpenAsync(broker.Uri);
        await DeclareAsync(client, "q", kind.EndsWith("stream", StringComparison.Ordinal)
            ? Entry("x-queue-type", "stream") : []);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        Task flood = FloodAsync(client, "q", 1_000_000, i => kind switch
        {
            "with an id" => [0, 0x80, .. RawClient.ShortText($"{i}")],
            "many small headers" => Headers(Small(i)),
            "with a filter, in a stream" => Headers(Entry("x-stream-filter-value", $"{i}")),
            _ => [0, 0],
        }, enough.Token);
        await broker.WaitUntilAsync(view => view.Connections[0].IsBlocked, cancellationToken: Cancelled);
        await enough.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => flood);
        long taken = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.InRange(taken, Limit / 4, Limit * 2L);
    }

    [Fact]
    public async Task What_is_deleted_or_disconnected_is_not_kept()
    {
        await using AmqpTestBroker broker = await StartAsync(1_000_000_000);
        using RawClient client = await RawClient.OpenAsync(broker.Uri);
        long before = GC.GetTotalMemory(forceFullCollection: true);
        for (int i = 0; i < 100; i++)
        {
            byte[] queue = RawClient.ShortText("q");
            await DeclareAsync(client, "q", [.. Number("x-expires", 3_600_000), .. Number("x-message-ttl", 3_600_000)]);
            await client.CallAsync(1, 50, 20, [
                0, 0, .. queue, .. RawClient.ShortText("amq.topic"), .. RawClient.ShortText($"a.{i}.#"),
                0, 0, 0, 0, 0]);
            await client.SendAsync(RawClient.Publish(1, "", "q", new byte[Large]));
            await client.CallAsync(1, 50, 40, [0, 0, .. queue, 0]);
            using RawClient other = await RawClient.OpenAsync(broker.Uri);
            await other.CallAsync(1, 50, 10, [0, 0, .. RawClient.ShortText($"own.{i}"), 4, 0, 0, 0, 0]);
            await other.SendAsync(RawClient.Publish(1, "", $"own.{i}", new byte[Large]));
            await ConsumeAsync(other, $"own.{i}");
        }
        await broker.WaitUntilAsync(
            view => view.Connections.Count == 1 && view.Queues().Count == 0, cancellationToken: Cancelled);
        // 20,000,000 were there.
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, long.MinValue, 8_000_000);
    }

    // What returns to a client that does not read is not kept for it without end: its next messages are not read.
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_client_that_does_not_read_is_not_read_either(bool returned)
    {
        const int Count = 5_000, Size = 10_000;
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(cancellationToken: Cancelled);
        using RawClient client = await RawClient.OpenAsync(broker.Uri), other = await RawClient.OpenAsync(broker.Uri);
        await DeclareAsync(client, "q");
        if (!returned)
            await ConsumeAsync(client, "q", noAck: true);
        byte[] message = [
            .. RawClient.PublishMethod(1, "", returned ? "nowhere" : "q", flags: 1), .. RawClient.Header(1, Size),
            .. RawClient.Frame(3, 1, new byte[Size])];
        Task flood = SendAllAsync();
        await broker.WaitUntilAsync(view => Passed(view) >= 50, cancellationToken: Cancelled);
        int passed = 0, looks = 0; // until it comes to rest
        while (await broker.LookAsync(Passed) is var now && (now > passed || looks++ < 100))
        {
            passed = now;
            await other.CallAsync(1, 50, 10, [0, 0, .. RawClient.ShortText("q"), 1, 0, 0, 0, 0]);
        }
        Assert.InRange(passed, 50, Count / 2);
        await Task.WhenAny(flood, client.UntilClosedAsync());
        await flood;

        int Passed(AmqpBrokerView view) => view.Events.Count(IsPublish);

        async Task SendAllAsync()
        {
            for (int i = 0; i < Count; i++)
                await client.SendAsync(message);
        }
    }

    private static bool IsPublish(AmqpTestEvent seen) => seen.Name == "basic.publish";

    private static Task<AmqpTestBroker> StartAsync(long limit) => AmqpTestBroker.StartAsync(
        new AmqpTestBrokerOptions { MemoryLimit = limit, HistoryBytes = 1_000_000 }, Cancelled);

    private static async Task DeclareAsync(RawClient client, string queue, byte[]? arguments = null)
    {
        byte[] table = arguments ?? [];
        Assert.Equal("method 50.11 on 1", await client.CallAsync(1, 50, 10, [
            0, 0, .. RawClient.ShortText(queue), 2, .. RawClient.FourOctets(table.Length), .. table]));
    }

    private static async Task ConsumeAsync(RawClient client, string queue, bool noAck = false)
        => await client.CallAsync(1, 60, 20, [
            0, 0, .. RawClient.ShortText(queue), .. RawClient.ShortText("c"), noAck ? (byte)2 : (byte)0, 0, 0, 0, 0]);

    private static async Task FloodAsync(RawClient client, string queue, int count, Func<int, byte[]> properties,
        CancellationToken cancellationToken = default)
    {
        for (int i = 0; i < count; i++)
        {
            await client.SendAsync(RawClient.Publish(1, "", queue, [], properties(i)))
                .WaitAsync(cancellationToken);
        }
    }

    private static byte[] Headers(byte[] entries) => [0x20, 0, .. RawClient.FourOctets(entries.Length), .. entries];

    private static byte[] Text(int length)
        => [1, (byte)'k', (byte)'S', .. RawClient.FourOctets(length), .. new byte[length]];

    private static byte[] Entry(string name, string value)
        => [.. RawClient.ShortText(name), (byte)'S', .. RawClient.LongText(value)];

    private static byte[] Number(string name, int value)
        => [.. RawClient.ShortText(name), (byte)'I', .. RawClient.FourOctets(value)];

    // Other ones in each message: 10,000 of six octets.
    private static byte[] Small(int message)
    {
        byte[] entries = new byte[60_000];
        for (int i = 0; i < 10_000; i++)
        {
            ReadOnlySpan<byte> entry = [
                3, (byte)('a' + (i / 676)), (byte)('a' + (i / 26 % 26)), (byte)('a' + (i % 26)),
                (byte)'t', (byte)message];
            entry.CopyTo(entries.AsSpan(6 * i));
        }

        return entries;
    }
}
