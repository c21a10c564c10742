namespace SafeAmqp.Testing.Protocol;

/// <summary>
/// One frame as it stands in the input buffer (AMQP 0-9-1, 2.3.5); valid until the buffer is advanced.
/// </summary>
internal readonly ref struct Frame(byte type, ushort channel, ReadOnlySpan<byte> payload)
{
    public const byte Method = 1;
    public const byte Header = 2;
    public const byte Body = 3;
    public const byte Heartbeat = 8;
    public const byte End = 0xCE;

    /// <summary>Type, channel and size before the payload.</summary>
    public const int HeaderSize = 7;

    /// <summary>What a frame costs beside its payload: header and end octet.</summary>
    public const int EmptySize = 8;

    public byte Type => type;

    public ushort Channel => channel;

    public ReadOnlySpan<byte> Payload { get; } = payload;
}
