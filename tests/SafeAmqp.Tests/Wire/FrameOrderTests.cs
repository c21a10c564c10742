using SafeAmqp.Actor;
using SafeAmqp.Broker;
using SafeAmqp.Tests.Transport;
using SafeAmqp.Wire;
using static TestSupport.Wire.Frames;

namespace SafeAmqp.Tests.Wire;

/// <summary>
/// What a server sends, in slices of any size: what is decoded here, and all else on its way to RabbitMQ.Client as it
/// came.
/// </summary>
public sealed class FrameOrderTests
{
    private readonly List<BrokerSignal> _signals = [];
    private readonly InboundPipe _inbound = new();
    private readonly FrameReader _received;

    public FrameOrderTests()
    {
        _received = new FrameReader(
            FrameFormat.MaxFrameSize, maxBodySize: 1 << 20, new SignalSink(_signals.Add, _inbound));
        _received.Own(1, 1);
        _received.Own(2, 2);
    }

    [Theory, InlineData(1), InlineData(2), InlineData(7), InlineData(8), InlineData(50), InlineData(4096),
        InlineData(60_000)]
    public async Task Every_frame_is_decoded_or_goes_on_whole_in_the_order_in_which_it_came(int slice)
    {
        var random = new Random(slice);
        var all = new List<byte>();
        var passed = new List<byte>();
        var bodies = new List<(long, byte[])>();
        for (int i = 0; i < 300; i++)
        {
            byte[] content = new byte[random.Next(i % 50 == 0 ? 70_000 : 300)];
            random.NextBytes(content);
            ushort channel = (ushort)(i % 5);
            if (channel is 1 or 2)
            {
                all.AddRange([
                    .. Frame(1, channel, [0, 60, 0, 60, .. Str("c"), .. Long((ulong)i), 0, .. Str(""), .. Str("q")]),
                    .. Frame(2, channel, [0, 60, 0, 0, .. Long((ulong)content.Length), 0, 0])]);
                if (content.Length > 0)
                    all.AddRange(Frame(3, channel, content));
                bodies.Add((channel, content));
            }
            else
            {
                byte[] frame = i % 3 == 0
                    ? Frame(8, 0)
                    : i % 3 == 1 ? Frame(3, channel, content) : Frame(1, channel, 0, 50, 0, 21);
                all.AddRange(frame);
                passed.AddRange(frame);
            }
        }
        Feed([.. all], slice);
        Assert.Equal(bodies, _signals.Cast<BrokerSignal.Delivered>()
            .Select(signal => (signal.Incarnation, signal.Message.Body.ToArray())));
        Assert.Equal(passed, await TakeAllAsync());
    }

    [Fact]
    public async Task What_came_before_a_frame_that_is_refused_is_handed_on()
    {
        byte[] ack = Frame(1, 1, [0, 60, 0, 80, .. Long(1), 0]);
        Assert.Throws<FrameViolationException>(() => _received.Check([.. Heartbeat(), .. ack, .. Frame(4, 0)]));
        Assert.IsType<BrokerSignal.Acked>(Assert.Single(_signals));
        Assert.Equal(Heartbeat(), await TakeAllAsync());
    }

    [Fact]
    public async Task A_writer_is_told_when_the_buffer_is_full_and_once_when_there_is_room_again()
    {
        int told = 0;
        _inbound.HasRoom = () => told++;
        int put = 0;
        for (; !_inbound.IsFull; put += 60_000) _inbound.Put(new byte[60_000]);
        Assert.InRange(put, 512 * 1024, 512 * 1024 + 60_000);
        byte[] buffer = new byte[10_000];
        int taken = 0;
        for (; _inbound.IsFull; taken += buffer.Length)
            Assert.Equal(buffer.Length, await _inbound.TakeAsync(buffer, TestContext.Current.CancellationToken).Soon());
        Assert.InRange(put - taken, 118 * 1024, 128 * 1024);
        Assert.Equal(1, told);
        _inbound.Complete();
        for (int count = 1; count > 0; taken += count)
            count = await _inbound.TakeAsync(buffer, TestContext.Current.CancellationToken).Soon();
        Assert.Equal((put, 1, false), (taken, told, _inbound.HasUnread));
    }

    [Fact]
    public async Task A_waiting_reader_can_be_let_go()
    {
        Task<int> waiting = _inbound.TakeAsync(new byte[10], TestContext.Current.CancellationToken).AsTask();
        Assert.False(waiting.IsCompleted);
        Assert.True(_inbound.IsDone);
        _inbound.StopWaiting();
        Assert.Equal(0, await waiting.Soon());
    }

    private void Feed(byte[] bytes, int slice)
    {
        for (int at = 0; at < bytes.Length; at += slice)
            _received.Check(bytes.AsSpan(at, Math.Min(slice, bytes.Length - at)));
    }

    private async Task<byte[]> TakeAllAsync()
    {
        using var all = new MemoryStream();
        byte[] buffer = new byte[999];
        while (_inbound.HasUnread)
            all.Write(buffer, 0, await _inbound.TakeAsync(buffer, TestContext.Current.CancellationToken).Soon());
        return all.ToArray();
    }
}
