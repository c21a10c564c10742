using System.Buffers;

namespace SafeAmqp.Transport;

/// <summary>One half of the gatherer's double buffer. Its array comes from the pool and goes back when it is large and
/// empty.</summary>
internal sealed class GatherBuffer
{
    // An idle link keeps no more than this twice: otherwise 10,000 links would hold 20 GB of 1 MiB buffers.
    private const int KeptBytes = 16 * 1024;

    private byte[] _array = [];

    public int Count { get; private set; }
    public ReadOnlyMemory<byte> Bytes => _array.AsMemory(0, Count);

    public void Append(ReadOnlySpan<byte> bytes)
    {
        int needed = Count + bytes.Length;
        if (needed > _array.Length)
            Grow(needed);
        bytes.CopyTo(_array.AsSpan(Count));
        Count = needed;
    }

    public void Clear() => Count = 0;

    public void Shrink()
    {
        if (_array.Length <= KeptBytes)
            return;
        ArrayPool<byte>.Shared.Return(_array);
        _array = [];
    }

    private void Grow(int needed)
    {
        byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(needed, KeptBytes));
        Bytes.Span.CopyTo(larger);
        if (_array.Length > 0)
            ArrayPool<byte>.Shared.Return(_array);
        _array = larger;
    }
}

/// <summary>A write that waits for room, or is sent from its writer's memory.</summary>
internal sealed class WaitingWrite(ReadOnlyMemory<byte> bytes)
{
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public ReadOnlyMemory<byte> Bytes { get; } = bytes;
    public ValueTask Done => new(_done.Task);

    public void Complete() => _done.TrySetResult();
}
