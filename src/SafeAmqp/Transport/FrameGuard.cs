using System.Buffers.Binary;
using static SafeAmqp.Transport.FrameFormat;

namespace SafeAmqp.Transport;

/// <summary>
/// Checks the bytes of an inbound AMQP 0-9-1 stream before RabbitMQ.Client parses them. That parser trusts its peer: it recurses
/// as deep as the tables are nested, so about a hundred bytes per kilobyte of stack end the process, and it follows the lengths
/// inside a table without regard to the table's own length.
/// <para>Bytes may come in slices of any size. A frame that lies whole in one slice is checked in place. Of one that does not, a
/// method's or header's bytes are copied until it is whole, bounded by the frame size and never allocated ahead of the bytes that
/// have come; body frames are only counted. Nothing is held back: the violation is thrown for the slice that completes it.</para>
/// <para>Which frame may follow which is left to the parser: it keeps that state itself and ends the connection in order.</para>
/// </summary>
internal sealed class FrameGuard(int maxFrameSize, long maxBodySize)
{
    private const int KeptBytes = 4096;

    private readonly uint _maxPayload = (uint)(maxFrameSize - Overhead);
    private byte[] _held = new byte[256];
    private int _heldCount;
    private int _toSkip;
    private int _protocolBytes;
    private bool _started;

    private static ReadOnlySpan<byte> ProtocolName => "AMQP"u8;

    /// <summary>Whether what has come ends within a frame, or within what is none.</summary>
    public bool IsInsideFrame => _toSkip > 0 || _heldCount > 0 || _protocolBytes > 0;

    /// <exception cref="FrameGuardException">A rule is broken; the guard must not be used again.</exception>
    public void Check(ReadOnlySpan<byte> bytes)
    {
        if (!_started && !bytes.IsEmpty)
        {
            _started = true;
            // A server that speaks another version answers with its own protocol header and closes. RabbitMQ.Client has
            // the fitting error and throws it for any first byte 'A', so it parses nothing that comes after.
            _protocolBytes = bytes[0] == ProtocolName[0] ? 1 : 0;
        }

        if (_protocolBytes > 0)
        {
            CheckProtocolName(bytes);
            return;
        }

        while (!bytes.IsEmpty)
        {
            int taken = _toSkip > 0 ? Skip(bytes) : _heldCount > 0 ? Resume(bytes) : CheckInPlace(bytes);
            bytes = bytes[taken..];
        }
    }

    private int CheckInPlace(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < PrefixSize) return Hold(bytes);

        int payload = PayloadSize(bytes);
        int total = payload + Overhead;
        if (bytes.Length >= total)
        {
            CheckFrame(bytes[..total]);
            return total;
        }

        if (!IsHeldUntilWhole(bytes[0])) return BeginSkip(PrefixSize, payload);
        return Hold(bytes);
    }

    private int Resume(ReadOnlySpan<byte> bytes)
    {
        int missing = _heldCount < PrefixSize ? PrefixSize - _heldCount : PayloadSize(_held) + Overhead - _heldCount;
        int taken = Hold(bytes[..Math.Min(missing, bytes.Length)]);
        if (_heldCount < PrefixSize) return taken;

        int payload = PayloadSize(_held);
        if (!IsHeldUntilWhole(_held[0]))
        {
            _heldCount = 0;
            BeginSkip(0, payload);
        }
        else if (_heldCount == payload + Overhead)
        {
            CheckFrame(_held.AsSpan(0, _heldCount));
            _heldCount = 0;
            if (_held.Length > KeptBytes) _held = new byte[KeptBytes];
        }

        return taken;
    }

    private int BeginSkip(int taken, int payload)
    {
        _toSkip = payload + 1;
        return taken;
    }

    private int Skip(ReadOnlySpan<byte> bytes)
    {
        int taken = Math.Min(_toSkip, bytes.Length);
        _toSkip -= taken;
        if (_toSkip == 0) CheckEnd(bytes[taken - 1]);
        return taken;
    }

    private int Hold(ReadOnlySpan<byte> bytes)
    {
        int needed = _heldCount + bytes.Length;
        if (needed > _held.Length) Array.Resize(ref _held, Math.Max(needed, _held.Length * 2));
        bytes.CopyTo(_held.AsSpan(_heldCount));
        _heldCount = needed;
        return bytes.Length;
    }

    private void CheckFrame(ReadOnlySpan<byte> frame)
    {
        CheckEnd(frame[^1]);
        switch (frame[0])
        {
            case Method: PayloadCheck.Method(frame[PrefixSize..^1]); break;
            case Header: CheckContentHeader(frame); break;
        }
    }

    private void CheckContentHeader(ReadOnlySpan<byte> frame)
    {
        ReadOnlySpan<byte> payload = frame[PrefixSize..^1];
        try
        {
            PayloadCheck.ContentHeader(payload, maxBodySize);
        }
        catch (FrameGuardException e)
        {
            e.Channel = ChannelOf(frame);
            e.ContentSize = payload.Length < 12 ? (ulong)payload.Length : BinaryPrimitives.ReadUInt64BigEndian(payload[4..]);
            throw;
        }
    }

    private int PayloadSize(ReadOnlySpan<byte> prefix)
    {
        byte type = prefix[0];
        if (type is not (Method or Header or Body or Heartbeat))
            throw new FrameGuardException(FrameRule.FrameType, $"The peer sent a frame of type {type}; known are 1, 2, 3 and 8.");

        uint payload = BinaryPrimitives.ReadUInt32BigEndian(prefix[3..]);
        if (payload > _maxPayload)
            throw new FrameGuardException(FrameRule.FrameSize, $"The peer sent a frame of {payload} + {Overhead} bytes; the limit is {maxFrameSize}.")
            {
                Channel = type == Header ? ChannelOf(prefix) : null,
                ContentSize = payload,
            };
        return (int)payload;
    }

    private void CheckProtocolName(ReadOnlySpan<byte> bytes)
    {
        int at = _protocolBytes - 1;
        for (int i = 0; i < bytes.Length && at < ProtocolName.Length; i++, at++)
        {
            if (bytes[i] != ProtocolName[at])
                throw new FrameGuardException(FrameRule.FrameType, "The peer sent neither a frame nor a protocol header.");
        }

        _protocolBytes = at + 1;
    }

    private static void CheckEnd(byte end)
    {
        if (end != FrameEnd)
            throw new FrameGuardException(FrameRule.FrameEnd, $"The peer sent a frame that ends with 0x{end:X2} instead of 0x{FrameEnd:X2}.");
    }

    private static ushort ChannelOf(ReadOnlySpan<byte> frame) => BinaryPrimitives.ReadUInt16BigEndian(frame[1..]);

    private static bool IsHeldUntilWhole(byte type) => type is Method or Header;
}
