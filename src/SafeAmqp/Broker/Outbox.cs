using System.Buffers.Binary;
using SafeAmqp.Wire;
using static SafeAmqp.Wire.FrameFormat;

namespace SafeAmqp.Broker;

/// <summary>Collects the frames that the owner's thread has encoded since the last flush, so that one write, and
/// usually one system call, sends them all. Only the owner's thread uses it.</summary>
/// <remarks>It is flushed before each call into RabbitMQ.Client, whose frames must not overtake earlier ones.</remarks>
internal sealed class Outbox(RabbitMqLink link, ClientStream stream)
{
    /// <summary>Sent without waiting for the end of the batch: some hundred small messages, and below what the stream
    /// copies.</summary>
    private const int Enough = 48 * 1024;

    /// <summary>An idle link keeps no more than this.</summary>
    private const int KeptBytes = 64 * 1024;

    /// <summary>What may wait for the socket beyond what the stream copies: the next large message is ready when the
    /// one before it has left.</summary>
    private const int MaxLent = 2 * 1024 * 1024;

    private readonly List<Action> _afterwards = [];
    private FrameBuffer _frames = new();
    private long _lent; // bytes

    internal FrameBuffer Frames => _frames;

    /// <summary>Whether too much waits for the socket: publishing must pause until <see cref="Then"/> calls
    /// back.</summary>
    internal bool IsHeldUp => _lent > MaxLent;

    internal void FlushWhenFull()
    {
        if (_frames.Count >= Enough)
            Flush();
    }

    internal void Flush()
    {
        if (_frames.Count == 0)
            return;
        ValueTask taken = stream.SendAsync(_frames.Written);
        if (!taken.IsCompleted) // it never fails
            Lend(taken);
        else if (_frames.Count > KeptBytes)
            _frames.Release();
        else
            _frames.Clear();
    }

    // The stream reads from the frames until it has taken them.
    private void Lend(ValueTask taken)
    {
        FrameBuffer lent = _frames;
        _frames = new FrameBuffer();
        _lent += lent.Count;
        link.Then(taken.AsTask, _ => Returned(lent));
    }

    /// <summary>Calls back once the stream takes more.</summary>
    internal void Then(Action action) => _afterwards.Add(action);

    private void Returned(FrameBuffer lent)
    {
        _lent -= lent.Count;
        lent.Release();
        if (IsHeldUp)
            return;
        Action[] actions = [.. _afterwards];
        _afterwards.Clear();
        foreach (Action action in actions)
            action();
    }
}

/// <summary>Follows the frames that RabbitMQ.Client writes, as our own publishes and settlements are written beside
/// them: ours must fall between its frames, and none may follow on a channel that it has closed: the broker would end
/// the whole connection (504).</summary>
internal sealed class ClientFrames
{
    private const int IdsEnd = PrefixSize + 4; // with the ids of a method
    private const int ProtocolHeaderSize = 8;

    private readonly HashSet<ushort> _closed = [];
    private byte[] _part = [];
    private int _partCount;
    private bool _started;

    /// <summary>Takes what RabbitMQ.Client writes. It writes whole frames at a time; a part of one is kept until its
    /// rest has come.</summary>
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
        byte[] joined = new byte[_partCount + bytes.Length];
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
