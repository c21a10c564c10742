using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace TestSupport.Wire;

/// <summary>A client that sends what it is told to, right or wrong, and shows what comes back.</summary>
public sealed class RawClient : IDisposable
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);

    /// <summary>What fits into a frame of the size that <see cref="OpenAsync"/> agrees to.</summary>
    private const int LargestPart = 131_072 - 8;

    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp)
    {
        NoDelay = true
    };
    private readonly byte[] _received = new byte[256 * 1024];
    private int _start;
    private int _end;

    private RawClient()
    {
    }

    public static async Task<RawClient> ConnectAsync(Uri uri)
    {
        var client = new RawClient();
        await client._socket.ConnectAsync(uri.Host, uri.Port);
        return client;
    }

    /// <summary>A client that has logged in and opened channel 1.</summary>
    public static async Task<RawClient> OpenAsync(Uri uri, byte heartbeat = 0)
    {
        RawClient client = await ConnectAsync(uri);
        await client.SendAsync("AMQP\0\0\u0009\u0001"u8.ToArray());
        await client.NextAsync();
        await client.CallAsync(
            0, 10, 11, [0, 0, 0, 0, .. ShortText("PLAIN"), .. LongText("\0guest\0guest"), .. ShortText("en_US")]);
        await client.SendAsync(Method(0, 10, 31, [7, 255, 0, 2, 0, 0, 0, heartbeat]));
        await client.CallAsync(0, 10, 40, [.. ShortText("/"), 0, 0]);
        await client.CallAsync(1, 20, 10, [0]);
        return client;
    }

    public static byte[] ShortText(string text)
        => [(byte)Encoding.UTF8.GetByteCount(text), .. Encoding.UTF8.GetBytes(text)];

    public static byte[] LongText(string text)
        => [.. FourOctets(Encoding.UTF8.GetByteCount(text)), .. Encoding.UTF8.GetBytes(text)];

    public static byte[] FourOctets(int value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(bytes, value);
        return bytes;
    }

    public static byte[] Frame(byte type, ushort channel, byte[] payload, byte end = 0xCE) =>
        [type, (byte)(channel >> 8), (byte)channel, .. FourOctets(payload.Length), .. payload, end];

    public static byte[] Method(ushort channel, ushort classId, ushort methodId, byte[] fields) =>
        Frame(1, channel, [(byte)(classId >> 8), (byte)classId, (byte)(methodId >> 8), (byte)methodId, .. fields]);

    public static byte[] PublishMethod(ushort channel, string exchange, string key, byte flags = 0) =>
        Method(channel, 60, 40, [0, 0, .. ShortText(exchange), .. ShortText(key), flags]);

    public static byte[] Header(ushort channel, ulong size, byte[]? properties = null, ushort classId = 60)
    {
        byte[] length = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(length, size);
        return Frame(2, channel, [(byte)(classId >> 8), (byte)classId, 0, 0, .. length, .. properties ?? [0, 0]]);
    }

    /// <param name="channel">The channel.</param>
    /// <param name="exchange">The exchange.</param>
    /// <param name="key">The routing key.</param>
    /// <param name="body">The body.</param>
    /// <param name="properties">Flags and list; null for none.</param>
    public static byte[] Publish(
        ushort channel, string exchange, string key, byte[] body, byte[]? properties = null)
    {
        using var frames = new MemoryStream();
        frames.Write(PublishMethod(channel, exchange, key));
        frames.Write(Header(channel, (ulong)body.Length, properties));
        foreach (byte[] part in body.Chunk(LargestPart))
            frames.Write(Frame(3, channel, part));
        return frames.ToArray();
    }

    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        while (!bytes.IsEmpty)
            bytes = bytes[await _socket.SendAsync(bytes)..];
    }

    public async Task<string> CallAsync(ushort channel, ushort classId, ushort methodId, byte[] fields)
    {
        await SendAsync(Method(channel, classId, methodId, fields));
        return await NextAsync();
    }

    /// <summary>
    /// The next frame as text: <c>method 60.71 on 1</c>, closes with code and reason; heartbeats are left out;
    /// <c>end</c> when the socket closes.
    /// </summary>
    public async Task<string> NextAsync()
    {
        while (true)
        {
            byte[]? frame = await FrameAsync().WaitAsync(Limit);
            if (frame is null)
                return "end";
            if (frame[0] != 8)
                return Show(frame);
        }
    }

    /// <summary>Takes a message out of a queue: its properties as they are on the wire, in hexadecimal.</summary>
    public async Task<string> GetAsync(string queue)
    {
        await SendAsync(Method(1, 60, 70, [0, 0, .. ShortText(queue), 1]));
        string answer = await NextAsync();
        if (answer != "method 60.71 on 1")
            return answer;
        byte[] header = await FrameAsync().WaitAsync(Limit) ?? throw new EndOfStreamException();
        long left = BinaryPrimitives.ReadInt64BigEndian(header.AsSpan(11));
        while (left > 0)
            left -= (await FrameAsync().WaitAsync(Limit) ?? throw new EndOfStreamException()).Length - 8;
        return Convert.ToHexString(header.AsSpan(19..^1));
    }

    /// <summary>The highest number that the broker has confirmed, reading at least one frame.</summary>
    public async Task<ulong> ConfirmedAsync()
    {
        byte[] frame = await FrameAsync().WaitAsync(Limit) ?? throw new EndOfStreamException();
        return frame.Length >= 19 && frame[0] == 1 && frame[10] == 80
            ? BinaryPrimitives.ReadUInt64BigEndian(frame.AsSpan(11))
            : throw new InvalidDataException(Show(frame));
    }

    /// <summary>Whether the other side has closed; what it sent before is thrown away.</summary>
    public async Task UntilClosedAsync()
    {
        try
        {
            while (await _socket.ReceiveAsync(_received) > 0)
            {
            }
        }
        catch (SocketException)
        {
            // Reset: closed as well.
        }
    }

    /// <summary>Everything until the other side closes.</summary>
    public async Task<byte[]> RestAsync()
    {
        var all = new MemoryStream();
        int count;
        try
        {
            while ((count = await _socket.ReceiveAsync(_received).WaitAsync(Limit)) > 0)
                all.Write(_received, 0, count);
        }
        catch (SocketException)
        {
            // A reset after the last octet is an end as well.
        }
        return all.ToArray();
    }

    public void EndSending() => _socket.Shutdown(SocketShutdown.Send);

    public void Dispose() => _socket.Dispose();

    private async Task<byte[]?> FrameAsync()
    {
        while (true)
        {
            int have = _end - _start;
            if (have >= 7 && have >= BinaryPrimitives.ReadInt32BigEndian(_received.AsSpan(_start + 3)) + 8)
            {
                int size = BinaryPrimitives.ReadInt32BigEndian(_received.AsSpan(_start + 3)) + 8;
                byte[] frame = _received[_start..(_start + size)];
                _start += size;
                return frame;
            }
            if (_start > 0)
            {
                _received.AsSpan(_start, have).CopyTo(_received);
                (_start, _end) = (0, have);
            }
            int count;
            try
            {
                count = await _socket.ReceiveAsync(_received.AsMemory(_end));
            }
            catch (SocketException)
            {
                return null;
            }
            if (count == 0)
                return null;
            _end += count;
        }
    }

    private static string Show(byte[] frame)
    {
        int channel = frame[1] << 8 | frame[2];
        if (frame[0] != 1)
            return $"frame {frame[0]} on {channel}";
        int classId = frame[7] << 8 | frame[8], methodId = frame[9] << 8 | frame[10];
        if ((classId, methodId) is (10, 50) or (20, 40))
        {
            int at = 14 + frame[13];
            int code = frame[11] << 8 | frame[12];
            return $"close {(classId == 10 ? "connection" : "channel")} "
                + $"{code} {Encoding.UTF8.GetString(frame, 14, frame[13])} class "
                + $"{frame[at] << 8 | frame[at + 1]} method {frame[at + 2] << 8 | frame[at + 3]}";
        }
        return $"method {classId}.{methodId} on {channel}";
    }
}
