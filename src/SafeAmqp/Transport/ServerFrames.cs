using System.Buffers.Binary;
using static SafeAmqp.Transport.FrameFormat;

namespace SafeAmqp.Transport;

/// <summary>Sees each whole frame that the server sent.</summary>
/// <returns>Whether it took the frame; RabbitMQ.Client gets all others.</returns>
internal delegate bool FrameTap(ReadOnlySpan<byte> frame);

/// <summary>
/// The bytes that a server sends, cut into frames: some are taken out by the tap, the rest goes on to RabbitMQ.Client as it came. Only the thread that
/// receives uses it; what it is given has passed the guard.
/// </summary>
internal sealed class ServerFrames(FrameTap tap, Inlet rest)
{
    // One call may bring many frames. Below the 85,000 bytes of the large object heap.
    private const int UsualSize = 64 * 1024;

    private byte[] _bytes = new byte[UsualSize];
    private int _start, _end; // what has come and is not a whole frame yet
    private bool _started;

    /// <summary>Whether what comes are no frames.</summary>
    internal bool PassesAll { get; private set; }

    /// <summary>Where the next bytes are to be put.</summary>
    internal Memory<byte> Room => _bytes.AsMemory(_end);

    /// <summary>Takes the bytes that were put there.</summary>
    internal void Received(int count)
    {
        _end += count;
        // A server that speaks another version answers with its own protocol header, for which RabbitMQ.Client has the fitting error.
        if (!_started)
            PassesAll = _bytes[0] == (byte)'A';
        _started = true;
        if (PassesAll)
        {
            rest.Put(_bytes.AsSpan(_start, _end - _start));
            _start = _end;
        }
        else
        {
            Sort();
        }
        MakeRoom();
    }

    private void Sort()
    {
        int passFrom = _start;
        while (_end - _start >= PrefixSize && FrameSize() is var size && size <= _end - _start)
        {
            if (tap(_bytes.AsSpan(_start, size)))
            {
                Pass(passFrom, _start);
                passFrom = _start + size;
            }
            _start += size;
        }
        Pass(passFrom, _start);
    }

    private void Pass(int from, int to)
    {
        if (to > from)
            rest.Put(_bytes.AsSpan(from, to - from));
    }

    private void MakeRoom()
    {
        if (_start > 0)
        {
            _bytes.AsSpan(_start, _end - _start).CopyTo(_bytes);
            (_start, _end) = (0, _end - _start);
        }
        int needed = _end < PrefixSize ? PrefixSize : FrameSize();
        if (needed > _bytes.Length)
            Array.Resize(ref _bytes, needed); // the guard has refused what is larger than agreed
        else if (_end == 0 && _bytes.Length > UsualSize)
            _bytes = new byte[UsualSize];
    }

    private int FrameSize() => BinaryPrimitives.ReadInt32BigEndian(_bytes.AsSpan(_start + 3)) + Overhead;
}
