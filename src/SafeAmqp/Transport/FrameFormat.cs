namespace SafeAmqp.Transport;

/// <summary>How a frame looks (AMQP 0-9-1, section 4.2.3): type, channel (2 bytes), size of the payload (4 bytes), payload, end.</summary>
internal static class FrameFormat
{
    /// <summary>Bytes before the payload.</summary>
    internal const int PrefixSize = 7;

    /// <summary>Bytes around the payload.</summary>
    internal const int Overhead = PrefixSize + 1;

    internal const byte FrameEnd = 0xCE;

    // The types of frames.
    internal const byte Method = 1, Header = 2, Body = 3, Heartbeat = 8;

    // The methods that both directions know: class, then method.
    internal const uint BasicAck = (60 << 16) | 80, BasicNack = (60 << 16) | 120;
}
