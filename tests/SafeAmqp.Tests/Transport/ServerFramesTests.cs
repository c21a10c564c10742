using SafeAmqp.Transport;

namespace SafeAmqp.Tests.Transport;

/// <summary>What a server sends, in slices of any size: some frames are the tap's, all others go on as they came.</summary>
public sealed class ServerFramesTests
{
    private readonly List<byte[]> _tapped = [];
    private readonly Inlet _inlet = new();

    [Theory, InlineData(1), InlineData(2), InlineData(7), InlineData(8), InlineData(50), InlineData(4096), InlineData(60_000)]
    public async Task Every_frame_goes_whole_to_the_tap_or_on_in_the_order_in_which_it_came(int slice)
    {
        var random = new Random(slice);
        byte[][] frames = [.. Enumerable.Range(0, 300).Select(i => Frame(type: (byte)(i % 3 + 1), channel: (ushort)(i % 5), random.Next(i % 50 == 0 ? 70_000 : 300), random))];
        var received = new ServerFrames(Tap, _inlet);
        Feed(received, [.. frames.SelectMany(frame => frame)], slice);
        Assert.Equal(frames.Where(IsTapped), _tapped);
        Assert.Equal(frames.Where(frame => !IsTapped(frame)).SelectMany(frame => frame), await TakeAllAsync());
    }

    [Fact]
    public async Task Bytes_that_are_no_frames_go_on_as_they_came()
    {
        var received = new ServerFrames(Tap, _inlet);
        Feed(received, "AMQP\0\0\u0009\u0001 and more"u8.ToArray(), slice: 3);
        Assert.True(received.PassesAll);
        Assert.Empty(_tapped);
        Assert.Equal("AMQP\0\0\u0009\u0001 and more"u8.ToArray(), await TakeAllAsync());
    }

    [Fact]
    public async Task Who_puts_in_is_told_when_it_is_too_much_and_once_when_there_is_room_again()
    {
        int told = 0;
        _inlet.HasRoom = () => told++;
        int put = 0;
        for (; !_inlet.IsFull; put += 60_000) _inlet.Put(new byte[60_000]);
        Assert.InRange(put, 512 * 1024, 512 * 1024 + 60_000);
        byte[] buffer = new byte[10_000];
        int taken = 0;
        for (; _inlet.IsFull; taken += buffer.Length) Assert.Equal(buffer.Length, await _inlet.TakeAsync(buffer, TestContext.Current.CancellationToken).Soon());
        Assert.InRange(put - taken, 118 * 1024, 128 * 1024);
        Assert.Equal(1, told);
        _inlet.Complete();
        for (int count = 1; count > 0; taken += count) count = await _inlet.TakeAsync(buffer, TestContext.Current.CancellationToken).Soon();
        Assert.Equal((put, 1, false), (taken, told, _inlet.HasUnread));
    }

    [Fact]
    public async Task Who_waits_to_take_can_be_let_go()
    {
        Task<int> waiting = _inlet.TakeAsync(new byte[10], TestContext.Current.CancellationToken).AsTask();
        Assert.False(waiting.IsCompleted);
        Assert.True(_inlet.IsDone);
        _inlet.StopWaiting();
        Assert.Equal(0, await waiting.Soon());
    }

    private bool Tap(ReadOnlySpan<byte> frame)
    {
        if (!IsTapped(frame.ToArray())) return false;
        _tapped.Add(frame.ToArray());
        return true;
    }

    private static bool IsTapped(byte[] frame) => frame[2] is 1 or 2;

    private static void Feed(ServerFrames received, byte[] bytes, int slice)
    {
        for (int at = 0; at < bytes.Length;)
        {
            int count = Math.Min(Math.Min(slice, bytes.Length - at), received.Room.Length);
            Assert.NotEqual(0, count);
            bytes.AsSpan(at, count).CopyTo(received.Room.Span);
            received.Received(count);
            at += count;
        }
    }

    private async Task<byte[]> TakeAllAsync()
    {
        using var all = new MemoryStream();
        byte[] buffer = new byte[999];
        while (_inlet.HasUnread) all.Write(buffer, 0, await _inlet.TakeAsync(buffer, TestContext.Current.CancellationToken).Soon());
        return all.ToArray();
    }

    private static byte[] Frame(byte type, ushort channel, int size, Random random)
    {
        byte[] payload = new byte[size];
        random.NextBytes(payload);
        return [type, (byte)(channel >> 8), (byte)channel, (byte)(size >> 24), (byte)(size >> 16), (byte)(size >> 8), (byte)size, .. payload, 0xCE];
    }
}
