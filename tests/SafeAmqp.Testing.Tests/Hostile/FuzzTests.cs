namespace SafeAmqp.Testing.Tests.Hostile;

/// <summary>
/// Mutated and random frames, by seed: no hang, no unhandled exception, no memory that a peer controls. How many is set
/// by SAFEAMQP_FUZZ_FRAMES; the seed by SAFEAMQP_FUZZ_SEED.
/// </summary>
public sealed class FuzzTests
{
    private const int FramesPerConnection = 64, ConnectionsPerLook = 500;

    [Fact]
    public async Task Hostile_frames_harm_no_other_client()
    {
        int frames = Number("SAFEAMQP_FUZZ_FRAMES", 1_000_000);
        int seed = Number("SAFEAMQP_FUZZ_SEED", 1);
        CancellationToken cancelled = TestContext.Current.CancellationToken;
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(
            new AmqpTestBrokerOptions { MaxMessageSize = 1 << 20 }, cancelled);
        await using IConnection witness =
            await new ConnectionFactory { Uri = broker.Uri, AutomaticRecoveryEnabled = false }.CreateConnectionAsync(
                "witness", cancelled);
        await using IChannel channel = await witness.CreateChannelAsync(
            new CreateChannelOptions(true, true), cancelled);
        await channel.QueueDeclareAsync("witness", false, true, false, cancellationToken: cancelled);

        long heapBefore = GC.GetTotalMemory(forceFullCollection: true), processBefore = Environment.WorkingSet;
        long start = TimeProvider.System.GetTimestamp(), heap = 0, process = 0;
        await Parallel.ForEachAsync(Enumerable.Range(0, frames / FramesPerConnection + 1),
            new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = cancelled },
            async (i, _) =>
            {
                await AttackAsync(broker.Uri, new Random(unchecked(seed * 1_000_003 + i)));
                // without what waits for the collector, which lets much gather where there is much memory
                if (i % ConnectionsPerLook == 0)
                    InterlockedMax(ref heap, GC.GetTotalMemory(forceFullCollection: true) - heapBefore);
                InterlockedMax(ref process, Environment.WorkingSet - processBefore);
            });
        TimeSpan took = TimeProvider.System.GetElapsedTime(start);

        // Waiting fails when the loop has caught an exception that it should not have seen.
        await broker.WaitUntilAsync(view => view.Connections.Count == 1, TimeSpan.FromSeconds(60), cancelled);
        await channel.BasicPublishAsync("", "witness", "alive"u8.ToArray(), cancelled);
        Assert.NotNull(await channel.BasicGetAsync("witness", true, cancelled));
        long held = GC.GetTotalMemory(forceFullCollection: true) - heapBefore;
        long events = await broker.LookAsync(view => view.Events.Last().Number);
        TestContext.Current.TestOutputHelper?.WriteLine($"{frames:N0} frames in {took.TotalSeconds:0.0} "
            + $"s, {events:N0} events of them; at most {heap >> 20} MiB on the heap and {process >> 20} MiB in "
            + $"the process, {held >> 20} MiB afterwards");
        Assert.True(heap < 64 << 20, $"{heap:N0} octets were on the heap with seed {seed}.");
        Assert.True(process < 768 << 20, $"The process grew by {process:N0} octets with seed {seed}.");
        Assert.True(held < 32 << 20, $"{held:N0} octets are held after {frames:N0} frames with seed {seed}.");
    }

    private static async Task AttackAsync(Uri uri, Random random)
    {
        bool isLoggedIn = random.Next(8) != 0;
        using RawClient client = isLoggedIn ? await RawClient.OpenAsync(uri) : await RawClient.ConnectAsync(uri);
        using var all = new MemoryStream();
        for (int i = 0; i < FramesPerConnection; i++)
            all.Write(FuzzFrames.Next(random, FuzzFrames.OfClients));
        try
        {
            await client.SendAsync(all.ToArray());
            client.EndSending();
            await client.UntilClosedAsync().WaitAsync(Stage.Limit);
        }
        catch (System.Net.Sockets.SocketException)
        {
            // Thrown out, as it should be.
        }
    }

    private static void InterlockedMax(ref long most, long seen)
    {
        for (long before = Volatile.Read(ref most); seen > before; before = Volatile.Read(ref most))
            Interlocked.CompareExchange(ref most, seen, before);
    }

    private static int Number(string variable, int otherwise)
        => int.TryParse(Environment.GetEnvironmentVariable(variable), out int number) ? number : otherwise;
}
