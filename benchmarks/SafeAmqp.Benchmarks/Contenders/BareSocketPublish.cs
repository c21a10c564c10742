using System.Buffers.Binary;
using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using SafeAmqp.Benchmarks.Measuring;

namespace SafeAmqp.Benchmarks.Contenders;

/// <summary>
/// The limit: a socket that sends frames prepared once, 200 at a time, and counts acknowledgements, with no caller to
/// answer. Two threads that block, one to send and one to receive: nothing polls, nothing is scheduled. Speaks just
/// enough of AMQP 0-9-1 to get there.
/// </summary>
internal sealed class BareSocketPublish : Contender
{
    internal const string Title = "a bare socket";

    private const int Gathered = 200;
    private const byte Method = 1, FrameEnd = 0xCE;

    private readonly Socket _socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly byte[] _received = new byte[1 << 16];
    private readonly AutoResetEvent _room = new(false);
    private byte[] _batch = [];
    private long _sent, _acked, _window;
    private int _left; // bytes of a frame that is not whole yet

    internal override string Name => Title;

    // Synchronous throughout: one asynchronous call would make the socket a polled one for good.
    internal override Task ConnectAsync(Uri broker, Workload workload) => Task.Run(() =>
    {
        _window = workload.Callers;
        _socket.Connect(broker.Host, broker.Port);
        _socket.Send("AMQP\0\0\u0009\u0001"u8);
        Expect(10, 10); // connection.start
        string[] account = broker.UserInfo.Split(':');
        Send(0, 10, 11, [0, 0, 0, 0, .. Short("PLAIN"), .. Long($"\0{account[0]}\0{account[1]}"), .. Short("en_US")]);
        Expect(10, 30); // tune: no heartbeats, as a run is short
        Send(0, 10, 31, [0, 1, 0, 2, 0, 0, 0, 0]); // one channel, frames of 128 KiB
        string host = Uri.UnescapeDataString(broker.AbsolutePath[1..]);
        Send(0, 10, 40, [.. Short(host.Length == 0 ? "/" : host), 0, 0]);
        Expect(10, 41);
        Send(1, 20, 10, [0]);
        Expect(20, 11);
        Send(1, 85, 10, [0]); // confirm.select
        Expect(85, 11);
        byte[] one =
        [
            .. Frame(Method, 1, [0, 60, 0, 40, 0, 0, .. Short(workload.Exchange), .. Short("k"), 0]),
            .. Frame(2, 1, [0, 60, 0, 0, 0, 0, 0, 0, .. Big(workload.BodySize), 0x10, 0, 1]), // delivery mode 1
            .. Frame(3, 1, workload.Body),
        ];
        _batch = [.. Enumerable.Repeat(one, (int)Math.Min(Gathered, _window)).SelectMany(bytes => bytes)];
    });

    internal override Task<Measurement> MeasureAsync(Workload workload, TimeSpan duration)
        => Meter.MeasureAsync(() => Task.Run(() =>
    {
        long start = _acked;
        long end = Stopwatch.GetTimestamp() + (long)(duration.TotalSeconds * Stopwatch.Frequency);
        var sending = new Thread(() => SendUntil(end));
        sending.Start();
        while (true)
        {
            if (Volatile.Read(ref _acked) < Volatile.Read(ref _sent)
                || _socket.Poll(TimeSpan.FromMilliseconds(1), SelectMode.SelectRead))
                CountAcks();
            else if (!sending.IsAlive)
                return _acked - start;
        }
    }));

    private void SendUntil(long end)
    {
        int count = (int)Math.Min(Gathered, _window);
        while (Stopwatch.GetTimestamp() < end)
        {
            while (_sent - Volatile.Read(ref _acked) + count > _window)
                _room.WaitOne();
            _socket.Send(_batch);
            Volatile.Write(ref _sent, _sent + count);
        }
    }

    protected override ValueTask OperateAsync(int caller) => throw new NotSupportedException("It has no callers.");

    public override ValueTask DisposeAsync()
    {
        _socket.Dispose();
        _room.Dispose();
        return ValueTask.CompletedTask;
    }

    private void CountAcks()
    {
        int count = _left + _socket.Receive(_received.AsSpan(_left));
        int at = 0;
        for (; count - at >= 8 && FrameSize(at) is var size && count - at >= size; at += size)
        {
            // basic.ack: class 60, method 80, then the tag and the bit "multiple"; acks come in order, so the tag is
            // the count.
            if (_received[at] == Method && _received[at + 8] == 60 && _received[at + 10] == 80)
                Volatile.Write(ref _acked, (long)BinaryPrimitives.ReadUInt64BigEndian(_received.AsSpan(at + 11)));
        }
        _room.Set();
        _left = count - at;
        _received.AsSpan(at, _left).CopyTo(_received);
    }

    private void Expect(byte classId, byte method)
    {
        int count = 0;
        while (count < 8 || count < FrameSize(0))
            count += _socket.Receive(_received.AsSpan(count));
        if (_received[8] != classId || _received[10] != method)
            throw new InvalidOperationException(
                $"Expected method {classId}.{method}, got {_received[8]}.{_received[10]}.");
    }

    private int FrameSize(int at) => BinaryPrimitives.ReadInt32BigEndian(_received.AsSpan(at + 3)) + 8;

    private void Send(ushort channel, byte classId, byte method, byte[] arguments)
        => _socket.Send(Frame(Method, channel, [0, classId, 0, method, .. arguments]));

    private static byte[] Frame(byte type, ushort channel, byte[] payload)
        => [type, (byte)(channel >> 8), (byte)channel, .. Big(payload.Length), .. payload, FrameEnd];

    private static byte[] Big(int value) => [(byte)(value >> 24), (byte)(value >> 16), (byte)(value >> 8), (byte)value];

    private static byte[] Short(string text)
        => [(byte)Encoding.UTF8.GetByteCount(text), .. Encoding.UTF8.GetBytes(text)];

    private static byte[] Long(string text)
        => [.. Big(Encoding.UTF8.GetByteCount(text)), .. Encoding.UTF8.GetBytes(text)];
}
