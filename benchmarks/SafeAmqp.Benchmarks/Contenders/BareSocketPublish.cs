using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;
using SafeAmqp.Benchmarks.Measuring;

namespace SafeAmqp.Benchmarks.Contenders;

/// <summary>
/// The limit: a socket that sends frames prepared once, 200 at a time, and counts acknowledgements, with no caller to answer. Speaks just
/// enough of AMQP 0-9-1 to get there.
/// </summary>
internal sealed class BareSocketPublish : Contender
{
    internal const string Title = "a bare socket";

    private const int Gathered = 200;
    private const byte Method = 1, FrameEnd = 0xCE;

    private readonly Socket _socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
    private readonly byte[] _received = new byte[1 << 16];
    private byte[] _batch = [];
    private long _sent, _acked;
    private int _left; // bytes of a frame that is not whole yet

    internal override string Name => Title;

    internal override async Task ConnectAsync(Uri broker, Workload workload)
    {
        await _socket.ConnectAsync(broker.Host, broker.Port);
        await _socket.SendAsync("AMQP\0\0\u0009\u0001"u8.ToArray());
        await ExpectAsync(10, 10); // connection.start
        string[] account = broker.UserInfo.Split(':');
        await SendAsync(0, 10, 11, [0, 0, 0, 0, .. Short("PLAIN"), .. Long($"\0{account[0]}\0{account[1]}"), .. Short("en_US")]);
        await ExpectAsync(10, 30); // tune: no heartbeats, as a run is short
        await SendAsync(0, 10, 31, [0, 1, 0, 2, 0, 0, 0, 0]); // one channel, frames of 128 KiB
        string host = Uri.UnescapeDataString(broker.AbsolutePath[1..]);
        await SendAsync(0, 10, 40, [.. Short(host.Length == 0 ? "/" : host), 0, 0]);
        await ExpectAsync(10, 41);
        await SendAsync(1, 20, 10, [0]);
        await ExpectAsync(20, 11);
        await SendAsync(1, 85, 10, [0]); // confirm.select
        await ExpectAsync(85, 11);
        byte[] one =
        [
            .. Frame(Method, 1, [0, 60, 0, 40, 0, 0, .. Short(workload.Exchange), .. Short("k"), 0]),
            .. Frame(2, 1, [0, 60, 0, 0, 0, 0, 0, 0, .. Big(workload.BodySize), 0x10, 0, 1]), // delivery mode 1
            .. Frame(3, 1, workload.Body),
        ];
        _batch = [.. Enumerable.Repeat(one, Gathered).SelectMany(bytes => bytes)];
    }

    internal override Task<Measurement> MeasureAsync(Workload workload, TimeSpan duration) => Meter.MeasureAsync(async () =>
    {
        long start = _acked;
        using var end = new CancellationTokenSource(duration);
        Task sending = Task.Run(async () =>
        {
            while (!end.IsCancellationRequested)
            {
                if (_sent - Volatile.Read(ref _acked) + Gathered > workload.Callers)
                {
                    await Task.Yield();
                    continue;
                }
                await _socket.SendAsync(_batch);
                Volatile.Write(ref _sent, _sent + Gathered);
            }
        });
        while (!sending.IsCompleted || Volatile.Read(ref _acked) < Volatile.Read(ref _sent))
            await CountAcksAsync();
        return _acked - start;
    });

    protected override ValueTask OperateAsync(int caller) => throw new NotSupportedException("It has no callers.");

    public override ValueTask DisposeAsync()
    {
        _socket.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task CountAcksAsync()
    {
        int count = _left + await _socket.ReceiveAsync(_received.AsMemory(_left));
        int at = 0;
        for (; count - at >= 8 && FrameSize(at) is var size && count - at >= size; at += size)
        {
            // basic.ack: class 60, method 80, then the tag and the bit "multiple"; acks come in order, so the tag is the count.
            if (_received[at] == Method && _received[at + 8] == 60 && _received[at + 10] == 80)
                Volatile.Write(ref _acked, (long)BinaryPrimitives.ReadUInt64BigEndian(_received.AsSpan(at + 11)));
        }
        _left = count - at;
        _received.AsSpan(at, _left).CopyTo(_received);
    }

    private async Task ExpectAsync(byte classId, byte method)
    {
        int count = 0;
        while (count < 8 || count < FrameSize(0))
            count += await _socket.ReceiveAsync(_received.AsMemory(count));
        if (_received[8] != classId || _received[10] != method)
            throw new InvalidOperationException($"Expected method {classId}.{method}, got {_received[8]}.{_received[10]}.");
    }

    private int FrameSize(int at) => BinaryPrimitives.ReadInt32BigEndian(_received.AsSpan(at + 3)) + 8;

    private Task<int> SendAsync(ushort channel, byte classId, byte method, byte[] arguments)
        => _socket.SendAsync(Frame(Method, channel, [0, classId, 0, method, .. arguments]));

    private static byte[] Frame(byte type, ushort channel, byte[] payload)
        => [type, (byte)(channel >> 8), (byte)channel, .. Big(payload.Length), .. payload, FrameEnd];

    private static byte[] Big(int value) => [(byte)(value >> 24), (byte)(value >> 16), (byte)(value >> 8), (byte)value];

    private static byte[] Short(string text) => [(byte)Encoding.UTF8.GetByteCount(text), .. Encoding.UTF8.GetBytes(text)];

    private static byte[] Long(string text) => [.. Big(Encoding.UTF8.GetByteCount(text)), .. Encoding.UTF8.GetBytes(text)];
}
