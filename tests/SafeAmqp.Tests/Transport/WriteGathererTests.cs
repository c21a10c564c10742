// Every wait here is bounded by itself, and whether a ValueTask completed at once is what some of these tests look at.
#pragma warning disable xUnit1051, CA2012
using SafeAmqp.Transport;

namespace SafeAmqp.Tests.Transport;

public sealed class WriteGathererTests : IDisposable
{
    private readonly GatedWire _wire = new();
    private readonly List<Exception> _failures = [];
    private readonly TaskCompletionSource _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Dispose() => _wire.Dispose();

    [Fact]
    public async Task What_comes_during_a_send_goes_out_in_one_call_after_it()
    {
        WriteGatherer gatherer = Gatherer();
        Assert.True(gatherer.WriteAsync(Bytes(1, 100)).IsCompletedSuccessfully);
        await _wire.SendBegunAsync();
        for (byte i = 0; i < 200; i++) Assert.True(gatherer.WriteAsync(Bytes(i, 50)).IsCompletedSuccessfully);

        _wire.Release();
        await _wire.SendBegunAsync();
        _wire.Release();
        Assert.True(await gatherer.DrainAsync(Wires.Long));
        Assert.Equal([100, 10_000], _wire.Sends.Select(s => s.Length));
        Assert.Equal([.. Bytes(1, 100), .. Enumerable.Range(0, 200).SelectMany(i => Bytes((byte)i, 50))], _wire.All);
        Assert.Equal((2L, 10_100L, 0), (gatherer.Sends, gatherer.BytesSent, gatherer.BufferedBytes));
    }

    [Fact]
    public void The_first_write_is_sent_before_it_returns()
    {
        using var wire = new GatedWire(open: true);
        var gatherer = new WriteGatherer(wire, 1000, TimeProvider.System, Failed);
        Assert.True(gatherer.WriteAsync(Bytes(1, 10)).IsCompletedSuccessfully);
        Assert.Equal(1, gatherer.Sends);
    }

    [Fact]
    public async Task The_callers_memory_may_change_once_a_small_write_has_returned()
    {
        WriteGatherer gatherer = Gatherer();
        byte[] mine = Bytes(1, 100);
        _ = gatherer.WriteAsync(mine);
        _ = gatherer.WriteAsync(mine);
        Array.Fill(mine, (byte)9);
        _wire.Release(2);
        Assert.True(await gatherer.DrainAsync(Wires.Long));
        Assert.Equal(Bytes(1, 200), _wire.All);
    }

    [Fact]
    public async Task A_large_write_waits_for_its_own_send_and_keeps_its_place()
    {
        WriteGatherer gatherer = Gatherer();
        _ = gatherer.WriteAsync(Bytes(1, 10));
        await _wire.SendBegunAsync();
        _ = gatherer.WriteAsync(Bytes(2, 10));
        Task large = gatherer.WriteAsync(Bytes(3, WriteGatherer.LargestCopied + 1)).AsTask();
        Task behind = gatherer.WriteAsync(Bytes(4, 10)).AsTask();
        Assert.False(behind.IsCompleted);

        _wire.Release();
        await _wire.SendBegunAsync();
        Assert.False(large.IsCompleted);
        _wire.Release();
        await _wire.SendBegunAsync();
        Assert.False(large.IsCompleted);
        // While the large one is being sent, only its own writer still waits; a later write is copied.
        _wire.Release();
        await large.Soon();
        await behind.Soon();
        Assert.True(gatherer.WriteAsync(Bytes(5, 10)).IsCompletedSuccessfully);
        _wire.Release(3);
        Assert.True(await gatherer.DrainAsync(Wires.Long));
        Assert.Equal([.. Bytes(1, 10), .. Bytes(2, 10), .. Bytes(3, WriteGatherer.LargestCopied + 1), .. Bytes(4, 10),
            .. Bytes(5, 10)], _wire.All);
    }

    [Fact]
    public async Task A_full_buffer_makes_writers_wait_in_turn()
    {
        WriteGatherer gatherer = Gatherer(maxBuffered: 1000);
        _ = gatherer.WriteAsync(Bytes(1, 400));
        await _wire.SendBegunAsync();
        Assert.True(gatherer.WriteAsync(Bytes(2, 600)).IsCompletedSuccessfully);
        Task first = gatherer.WriteAsync(Bytes(3, 500)).AsTask();
        // One that would fit by itself must not overtake.
        Task second = gatherer.WriteAsync(Bytes(4, 1)).AsTask();
        Task third = gatherer.WriteAsync(Bytes(5, 1000)).AsTask();
        Assert.False(first.IsCompleted || second.IsCompleted || third.IsCompleted);
        Assert.Equal(1000, gatherer.BufferedBytes);

        _wire.Release();
        await _wire.SendBegunAsync();
        Assert.False(first.IsCompleted);
        _wire.Release();
        await first.Soon();
        await second.Soon();
        Assert.False(third.IsCompleted);
        _wire.Release(5);
        await third.Soon();
        Assert.True(await gatherer.DrainAsync(Wires.Long));
        Assert.Equal(
            [.. Bytes(1, 400), .. Bytes(2, 600), .. Bytes(3, 500), .. Bytes(4, 1), .. Bytes(5, 1000)], _wire.All);
    }

    [Fact]
    public async Task A_write_that_could_never_fit_is_sent_without_being_copied()
    {
        WriteGatherer gatherer = Gatherer(maxBuffered: 100);
        Task write = gatherer.WriteAsync(Bytes(1, 101)).AsTask();
        await _wire.SendBegunAsync();
        Assert.False(write.IsCompleted);
        Assert.Equal(0, gatherer.BufferedBytes);
        _wire.Release();
        await write.Soon();
        Assert.Equal(Bytes(1, 101), _wire.All);
    }

    [Fact]
    public async Task A_failed_send_releases_the_writers_and_later_writes_succeed_and_drop()
    {
        WriteGatherer gatherer = Gatherer(maxBuffered: 100);
        _ = gatherer.WriteAsync(Bytes(1, 100));
        await _wire.SendBegunAsync();
        Task small = gatherer.WriteAsync(Bytes(2, 10)).AsTask();
        Task large = gatherer.WriteAsync(Bytes(3, 1000)).AsTask();
        Task<bool> drained = gatherer.DrainAsync(Wires.Long);
        var broken = new IOException("broken");
        _wire.Failure = broken;
        _wire.Release();

        await small.Soon();
        await large.Soon();
        Assert.False(await drained);
        await _failed.Task.Soon(); // told after the writers were released
        Assert.Same(broken, Assert.Single(_failures));
        Assert.True(gatherer.WriteAsync(Bytes(4, 10)).IsCompletedSuccessfully);
        Assert.True(gatherer.WriteAsync(Bytes(5, 1000)).IsCompletedSuccessfully);
        Assert.Equal((0, 0L), (gatherer.BufferedBytes, gatherer.Sends));
        Assert.False(await gatherer.DrainAsync(TimeSpan.Zero));
        Assert.Empty(_wire.Sends);
    }

    [Fact]
    public async Task The_writer_whose_memory_is_being_sent_is_released_only_when_that_send_returns()
    {
        WriteGatherer gatherer = Gatherer(maxBuffered: 100);
        Task inFlight = gatherer.WriteAsync(Bytes(1, 101)).AsTask();
        await _wire.SendBegunAsync();
        Task waiting = gatherer.WriteAsync(Bytes(2, 101)).AsTask();
        gatherer.Fail();
        await waiting.Soon();
        Assert.False(inFlight.IsCompleted);
        _wire.Release();
        await inFlight.Soon();
        Assert.Empty(_failures);
    }

    [Fact]
    public async Task Lent_memory_is_sent_as_it_is_before_what_is_written_after_it_and_is_free_when_its_send_returns()
    {
        WriteGatherer gatherer = Gatherer();
        byte[] mine = Bytes(1, 100);
        Assert.True(gatherer.TryLend(mine));
        Task lent = gatherer.SendAsync();
        await _wire.SendBegunAsync();
        Assert.False(gatherer.TryLend(Bytes(9, 10))); // the wire is not idle
        Assert.True(gatherer.WriteAsync(Bytes(2, 50)).IsCompletedSuccessfully);
        Assert.Equal((150, false), (gatherer.BufferedBytes, lent.IsCompleted));
        _wire.Release();
        await lent.Soon();
        Array.Fill(mine, (byte)9);
        _wire.Release();
        Assert.True(await gatherer.DrainAsync(Wires.Long));
        Assert.Equal([.. Bytes(1, 100), .. Bytes(2, 50)], _wire.All);
        Assert.Equal((2L, 0), (gatherer.Sends, gatherer.BufferedBytes));
    }

    [Fact]
    public async Task Lent_memory_is_dropped_or_released_when_the_gatherer_fails()
    {
        WriteGatherer gatherer = Gatherer();
        Assert.True(gatherer.TryLend(Bytes(1, 100)));
        Task lent = gatherer.SendAsync();
        await _wire.SendBegunAsync();
        gatherer.Fail();
        Assert.False(lent.IsCompleted);
        _wire.Release();
        await lent.Soon();
        Assert.False(gatherer.TryLend(Bytes(2, 10)));
        Assert.Equal(0, gatherer.BufferedBytes);

        var early = new WriteGatherer(_wire, 1000, TimeProvider.System, Failed);
        Assert.True(early.TryLend(Bytes(3, 100)));
        early.Fail();
        await early.SendAsync().Soon();
        Assert.DoesNotContain(_wire.Sends, sent => sent[0] == 3);
    }

    [Fact]
    public async Task Draining_ends_at_its_deadline()
    {
        WriteGatherer gatherer = Gatherer();
        Assert.True(await gatherer.DrainAsync(TimeSpan.Zero));
        _ = gatherer.WriteAsync(Bytes(1, 10));
        Assert.False(await gatherer.DrainAsync(TimeSpan.FromMilliseconds(20)).Soon());
    }

    [Fact]
    public async Task A_sealed_gatherer_sends_what_it_has_and_drops_what_comes()
    {
        WriteGatherer gatherer = Gatherer();
        _ = gatherer.WriteAsync(Bytes(1, 10));
        _ = gatherer.WriteAsync(Bytes(2, 10));
        gatherer.Seal();
        Assert.True(gatherer.WriteAsync(Bytes(3, 10)).IsCompletedSuccessfully);
        _wire.Release(5);
        Assert.True(await gatherer.DrainAsync(Wires.Long));
        Assert.Equal([.. Bytes(1, 10), .. Bytes(2, 10)], _wire.All);
    }

    [Theory]
    [InlineData(1, 4_000_000)]
    [InlineData(4, 4_000_000)]
    [InlineData(4, 5_000)]
    public async Task Many_writers_lose_nothing_and_each_keeps_its_order(int writers, int maxBuffered)
    {
        using var wire = new GatedWire(open: true);
        var gatherer = new WriteGatherer(wire, maxBuffered, TimeProvider.System, Failed);
        const int writes = 3000;
        await Task.WhenAll(Enumerable.Range(0, writers).Select(w => Task.Run(async () =>
        {
            var random = new Random(w);
            for (int i = 0; i < writes; i++)
            {
                int size = random.Next(50) == 0 ? random.Next(60_000, 80_000) : random.Next(8, 600);
                byte[] message = new byte[size];
                BitConverter.TryWriteBytes(message, size);
                message[4] = (byte)w;
                BitConverter.TryWriteBytes(message.AsSpan(5), (short)i);
                await gatherer.WriteAsync(message);
                Assert.InRange(gatherer.BufferedBytes, 0, maxBuffered);
                // Returned means that the memory is the caller's again.
                Array.Fill(message, (byte)0xEE);
            }
        }))).Soon();
        Assert.True(await gatherer.DrainAsync(Wires.Long));

        Assert.False(wire.Overlapped);
        byte[] all = wire.All;
        int[] next = new int[writers];
        for (int at = 0; at < all.Length; at += BitConverter.ToInt32(all, at))
            Assert.Equal(next[all[at + 4]]++, BitConverter.ToInt16(all, at + 5));
        Assert.All(next, n => Assert.Equal(writes, n));
        Assert.Equal((all.Length, 0), (gatherer.BytesSent, gatherer.BufferedBytes));
    }

    private void Failed(Exception error)
    {
        _failures.Add(error);
        _failed.TrySetResult();
    }

    private WriteGatherer Gatherer(int maxBuffered = 1 << 20) => new(_wire, maxBuffered, TimeProvider.System, Failed);

    private static byte[] Bytes(byte value, int count)
    {
        byte[] bytes = new byte[count];
        Array.Fill(bytes, value);
        return bytes;
    }
}

internal static class Writing
{
    /// <summary>Takes bytes in turn, and sends them if they are first.</summary>
    internal static ValueTask WriteAsync(this WriteGatherer gatherer, ReadOnlyMemory<byte> bytes)
    {
        ValueTask done = gatherer.Enter(bytes, out bool send);
        if (send)
            _ = gatherer.SendAsync();
        return done;
    }
}
