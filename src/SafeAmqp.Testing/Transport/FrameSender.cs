namespace SafeAmqp.Testing.Transport;

/// <summary>Puts methods and contents into frames (AMQP 0-9-1, 2.3.5) on one peer's output.</summary>
internal sealed class FrameSender(Peer peer)
{
    /// <summary>Contents up to this size are written in one piece with their method.</summary>
    private const int OnePiece = 32 * 1024;

    /// <summary>The negotiated frame_max.</summary>
    public int FrameMax { get; set; } = 4096;

    public void Method(ushort channel, MethodWriter method) => Frame(Protocol.Frame.Method, channel, method.Written);

    public void Heartbeat() => Frame(Protocol.Frame.Heartbeat, 0, []);

    public void Frame(byte type, ushort channel, ReadOnlySpan<byte> payload)
    {
        if (peer.WillCut)
        {
            byte[] whole = new byte[payload.Length + Protocol.Frame.EmptySize];
            Put(whole, type, channel, payload);
            peer.Write(whole);
            return;
        }
        Put(peer.Take(payload.Length + Protocol.Frame.EmptySize), type, channel, payload);
    }

    /// <summary>A method with its content: header frame and as many body frames as the negotiated size needs.</summary>
    public void Content(ushort channel, MethodWriter method, ReadOnlySpan<byte> properties, ReadOnlySpan<byte> body)
    {
        int room = FrameMax - Protocol.Frame.EmptySize;
        int headerSize = 12 + properties.Length;
        int total = method.Written.Length + headerSize + body.Length + 3 * Protocol.Frame.EmptySize;
        if (peer.WillCut || body.Length > room || total > OnePiece)
        {
            Method(channel, method);
            byte[] header = new byte[headerSize];
            PutHeader(header, properties, body.Length);
            Frame(Protocol.Frame.Header, channel, header);
            for (int at = 0; at < body.Length; at += room)
                Frame(Protocol.Frame.Body, channel, body.Slice(at, Math.Min(room, body.Length - at)));
            return;
        }

        if (body.IsEmpty)
            total -= Protocol.Frame.EmptySize;
        Span<byte> target = peer.Take(total);
        target = Put(target, Protocol.Frame.Method, channel, method.Written);
        Start(target, Protocol.Frame.Header, channel, headerSize);
        PutHeader(target[Protocol.Frame.HeaderSize..], properties, body.Length);
        target[Protocol.Frame.HeaderSize + headerSize] = Protocol.Frame.End;
        if (!body.IsEmpty)
            Put(target[(headerSize + Protocol.Frame.EmptySize)..], Protocol.Frame.Body, channel, body);
    }

    private static void PutHeader(Span<byte> target, ReadOnlySpan<byte> properties, int bodySize)
    {
        BinaryPrimitives.WriteUInt32BigEndian(target, 60 << 16);
        BinaryPrimitives.WriteUInt64BigEndian(target[4..], (ulong)bodySize);
        properties.CopyTo(target[12..]);
    }

    private static Span<byte> Put(Span<byte> target, byte type, ushort channel, ReadOnlySpan<byte> payload)
    {
        Start(target, type, channel, payload.Length);
        payload.CopyTo(target[Protocol.Frame.HeaderSize..]);
        target[payload.Length + Protocol.Frame.HeaderSize] = Protocol.Frame.End;
        return target[(payload.Length + Protocol.Frame.EmptySize)..];
    }

    private static void Start(Span<byte> target, byte type, ushort channel, int size)
    {
        target[0] = type;
        BinaryPrimitives.WriteUInt16BigEndian(target[1..], channel);
        BinaryPrimitives.WriteUInt32BigEndian(target[3..], (uint)size);
    }
}
