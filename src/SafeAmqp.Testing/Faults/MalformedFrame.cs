namespace SafeAmqp.Testing;

/// <summary>Ways in which a frame can break the protocol.</summary>
public enum MalformedFrame
{
    /// <summary>The end octet is not 0xCE (AMQP 0-9-1, 4.2.3).</summary>
    WrongEnd,

    /// <summary>A frame type that does not exist.</summary>
    UnknownType,

    /// <summary>A class and method that do not exist.</summary>
    UnknownMethod,

    /// <summary>A method whose fields end too early.</summary>
    TruncatedMethod,

    /// <summary>A size far above the negotiated frame_max.</summary>
    Oversized,

    /// <summary>A body frame that no method and header announced.</summary>
    BodyWithoutHeader,

    /// <summary>A frame for a channel that was never opened.</summary>
    UnknownChannel,

    /// <summary>Random octets, made from the broker's seed.</summary>
    Noise,
}

/// <summary>Makes the octets of malformed frames.</summary>
internal static class MalformedFrames
{
    private const int NoiseSize = 64;

    public static byte[] Make(MalformedFrame kind, ushort channel, Random random) => kind switch
    {
        MalformedFrame.WrongEnd => [.. Build(Frame.Heartbeat, 0, [])[..^1], 0x00],
        MalformedFrame.UnknownType => Build(42, channel, [1, 2, 3, 4]),
        MalformedFrame.UnknownMethod => Build(Frame.Method, channel, [0x7F, 0x7F, 0x7F, 0x7F]),
        MalformedFrame.TruncatedMethod => Build(Frame.Method, channel, [0, 60, 0, 60, 200]),
        MalformedFrame.Oversized => [Frame.Method, (byte)(channel >> 8), (byte)channel, 0x7F, 0xFF, 0xFF, 0xFF],
        MalformedFrame.BodyWithoutHeader => Build(Frame.Body, channel, [1, 2, 3]),
        MalformedFrame.UnknownChannel =>
            Build(Frame.Method, ushort.MaxValue, [0, 60, 0, 80, 0, 0, 0, 0, 0, 0, 0, 1, 0]),
        _ => Noise(random),
    };

    /// <summary>Whether the frames of a kind name the channel that they are for.</summary>
    public static bool AreOfChannel(MalformedFrame kind)
        => kind is not (MalformedFrame.WrongEnd or MalformedFrame.UnknownChannel or MalformedFrame.Noise);

    private static byte[] Noise(Random random)
    {
        byte[] noise = new byte[NoiseSize];
        random.NextBytes(noise);
        // A first octet that is no frame type: noise that happens to be a long frame would only be waited for.
        noise[0] |= 0x80;
        return noise;
    }

    private static byte[] Build(byte type, ushort channel, byte[] payload)
    {
        byte[] size = new byte[4];
        BinaryPrimitives.WriteInt32BigEndian(size, payload.Length);
        return [type, (byte)(channel >> 8), (byte)channel, .. size, .. payload, Frame.End];
    }
}
