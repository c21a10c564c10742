using SafeAmqp;
using SafeAmqp.Wire;

namespace TestSupport.Wire;

/// <summary>Feeds a frame reader by hand, in pieces of any size.</summary>
internal static class Reading
{
    /// <summary>A reader that has no channel of its own: it checks all, and passes all on.</summary>
    internal static FrameReader Reader(int maxFrame, long maxBody) => new(maxFrame, maxBody, new Nowhere());

    internal static void Check(this FrameReader reader, ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            int count = Math.Min(bytes.Length, reader.Room.Length);
            bytes[..count].CopyTo(reader.Room.Span);
            reader.Received(count);
            bytes = bytes[count..];
        }
    }

    private sealed class Nowhere : IFrameSink
    {
        public void Acked(long channel, ulong sequence, bool multiple) => throw new NotSupportedException();
        public void Nacked(long channel, ulong sequence, bool multiple) => throw new NotSupportedException();
        public void Returned(long channel, int slot, int code, string text) => throw new NotSupportedException();
        public void Delivered(long channel, ulong tag, bool redelivered, AmqpMessage message, DeliveryFlaw? flaw)
            => throw new NotSupportedException();
        public void FoundEmpty(long channel) => throw new NotSupportedException();
        public void ConsumerStarted(long channel) => throw new NotSupportedException();
        public void Pass(ReadOnlySpan<byte> frames)
        {
        }
    }
}
