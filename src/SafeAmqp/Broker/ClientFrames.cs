using System.Buffers.Binary;
using static SafeAmqp.Wire.FrameFormat;

namespace SafeAmqp.Broker;

/// <summary>
/// Follows the frames that RabbitMQ.Client writes, as our own publishes and settlements are written beside them: Ours
/// must fall between its frames, and none may follow on a channel that it has closed: the broker would end the whole
/// connection (504).
/// </summary>
internal sealed class ClientFrames
{
    private const int IdsEnd = PrefixSize + 4; // with the ids of a method
    private const int ProtocolHeaderSize = 8;

    private readonly HashSet<ushort> _closed = [];
    private byte[] _part = [];
    private int _partCount;
    private bool _started;

    /// <summary>
    /// Takes what RabbitMQ.Client writes. It writes whole frames at a time; a part of one is kept until its rest has
    /// come.
    /// </summary>
    /// <returns>The whole frames; valid until the next call.</returns>
    internal ReadOnlyMemory<byte> Take(ReadOnlyMemory<byte> bytes)
    {
        if (_partCount > 0)
        {
            bytes = Joined(bytes.Span);
            _partCount = 0;
        }
        int whole = WholeFrames(bytes.Span);
        if (whole < bytes.Length)
            Keep(bytes[whole..].Span);
        return bytes[..whole];
    }

    /// <summary>Leaves out the frames of closed channels: they get no answer.</summary>
    internal ReadOnlyMemory<byte> WithoutClosed(ReadOnlyMemory<byte> ours)
    {
        if (_closed.Count == 0 || !HasClosed(ours.Span))
            return ours;
        var left = new MemoryStream(ours.Length);
        for (ReadOnlySpan<byte> rest = ours.Span; !rest.IsEmpty; rest = rest[SizeOf(rest)..])
        {
            if (!_closed.Contains(ChannelOf(rest)))
                left.Write(rest[..SizeOf(rest)]);
        }
        return left.GetBuffer().AsMemory(0, (int)left.Length);
    }

    private bool HasClosed(ReadOnlySpan<byte> ours)
    {
        for (; !ours.IsEmpty; ours = ours[SizeOf(ours)..])
        {
            if (_closed.Contains(ChannelOf(ours)))
                return true;
        }
        return false;
    }

    private int WholeFrames(ReadOnlySpan<byte> bytes)
    {
        int at = 0;
        if (!_started && bytes.Length >= ProtocolHeaderSize)
        {
            _started = true; // "AMQP" and the version, which is no frame
            at = ProtocolHeaderSize;
        }
        while (_started && bytes.Length - at >= PrefixSize && SizeOf(bytes[at..]) is var size
            && size <= bytes.Length - at)
        {
            Note(bytes.Slice(at, size));
            at += size;
        }
        return at;
    }

    private void Note(ReadOnlySpan<byte> frame)
    {
        if (frame[0] != Method || frame.Length < IdsEnd)
            return;
        switch (BinaryPrimitives.ReadUInt32BigEndian(frame[PrefixSize..]))
        {
            case ChannelClose or ChannelCloseOk:
                _closed.Add(ChannelOf(frame));
                break;
            case ChannelOpen:
                _closed.Remove(ChannelOf(frame)); // the number is used again
                break;
        }
    }

    private byte[] Joined(ReadOnlySpan<byte> bytes)
    {
        var joined = new byte[_partCount + bytes.Length];
        _part.AsSpan(0, _partCount).CopyTo(joined);
        bytes.CopyTo(joined.AsSpan(_partCount));
        return joined;
    }

    private void Keep(ReadOnlySpan<byte> part)
    {
        if (part.Length > _part.Length)
            _part = new byte[part.Length];
        part.CopyTo(_part);
        _partCount = part.Length;
    }

    private static ushort ChannelOf(ReadOnlySpan<byte> frame) => BinaryPrimitives.ReadUInt16BigEndian(frame[1..]);

    private static int SizeOf(ReadOnlySpan<byte> frame)
        => (int)BinaryPrimitives.ReadUInt32BigEndian(frame[3..]) + Overhead;
}
