using System.Buffers;

namespace SafeAmqp.Testing.Protocol;

/// <summary>
/// Cuts frames out of what a socket delivered, and refuses those that break the limits before it waits for their bytes.
/// </summary>
internal sealed class FrameReader
{
    private byte[] _scratch = [];

    /// <summary>
    /// The negotiated frame_max, before that the smallest one (AMQP 0-9-1, 4.2.3); 0 means no limit was agreed, which
    /// is still bounded by <see cref="Ceiling"/>.
    /// </summary>
    public uint FrameMax { get; set; } = 4096;

    /// <summary>No peer may make the broker hold a larger frame, whatever was negotiated.</summary>
    public const uint Ceiling = 16 * 1024 * 1024;

    /// <summary>
    /// Takes the next whole frame off the front of <paramref name="input"/>; false when it has not arrived yet.
    /// </summary>
    /// <exception cref="AmqpError">501: too large, or without the end octet.</exception>
    public bool TryTake(ref ReadOnlySequence<byte> input, out Frame frame)
    {
        frame = default;
        ReadOnlySpan<byte> first = input.FirstSpan;
        Span<byte> copied = stackalloc byte[Frame.HeaderSize];
        scoped ReadOnlySpan<byte> header = first;
        if (first.Length < Frame.HeaderSize)
        {
            if (input.Length < Frame.HeaderSize)
                return false;
            input.Slice(0, Frame.HeaderSize).CopyTo(copied);
            header = copied;
        }

        byte type = header[0];
        ushort channel = BinaryPrimitives.ReadUInt16BigEndian(header[1..]);
        uint size = BinaryPrimitives.ReadUInt32BigEndian(header[3..]);
        uint limit = FrameMax is 0 or > Ceiling ? Ceiling : FrameMax;
        // RabbitMQ forgives a peer that forgot the eight octets of the frame itself.
        if (size > limit)
            throw new AmqpError(
                ReplyCode.FrameError,
                $"type {type}, all octets = <<>>: {{frame_too_large,{size},{limit - Frame.EmptySize}}}");

        int whole = (int)size + Frame.EmptySize;
        if (first.Length >= whole)
        {
            CheckEnd(first[whole - 1], type, first.Slice(Frame.HeaderSize, (int)size));
            frame = new Frame(type, channel, first.Slice(Frame.HeaderSize, (int)size));
        }
        else
        {
            if (input.Length < whole)
                return false;
            if (_scratch.Length < whole)
                _scratch = new byte[BitRound(whole)];
            input.Slice(0, whole).CopyTo(_scratch);
            ReadOnlySpan<byte> payload = _scratch.AsSpan(Frame.HeaderSize, (int)size);
            CheckEnd(_scratch[whole - 1], type, payload);
            frame = new Frame(type, channel, payload);
        }

        input = input.Slice(whole);
        return true;
    }

    private static int BitRound(int size) => (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)size);

    private static void CheckEnd(byte end, byte type, ReadOnlySpan<byte> payload)
    {
        if (end != Frame.End)
            throw new AmqpError(
                ReplyCode.FrameError,
                $"type {type}, {ErlangText.Snippet(payload)}: {{invalid_frame_end_marker,{end}}}");
    }
}
