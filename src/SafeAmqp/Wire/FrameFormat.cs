namespace SafeAmqp.Wire;

/// <summary>
/// How a frame looks (AMQP 0-9-1, section 4.2.3): type, channel (2 bytes), size of the payload (4 bytes), payload, end.
/// </summary>
internal static class FrameFormat
{
    /// <summary>RabbitMQ's own default; larger frames save nothing, smaller ones cost calls.</summary>
    internal const int MaxFrameSize = 128 * 1024;

    /// <summary>Bytes before the payload.</summary>
    internal const int PrefixSize = 7;

    /// <summary>Bytes around the payload.</summary>
    internal const int Overhead = PrefixSize + 1;

    internal const byte FrameEnd = 0xCE;

    // The types of frames.
    internal const byte Method = 1, Header = 2, Body = 3, Heartbeat = 8;

    internal const ushort ClassBasic = 60;

    // Methods: class, then method.
    internal const uint ChannelOpen = (20 << 16) | 10, ChannelClose = (20 << 16) | 40, ChannelCloseOk = (20 << 16) | 41;
    internal const uint BasicConsumeOk = (60 << 16) | 21, BasicPublish = (60 << 16) | 40, BasicReturn = (60 << 16) | 50;
    internal const uint BasicDeliver = (60 << 16) | 60, BasicAck = (60 << 16) | 80, BasicNack = (60 << 16) | 120;

    /// <summary>A whole heartbeat: no channel, no payload (AMQP 0-9-1, section 4.2.7).</summary>
    internal static ReadOnlySpan<byte> HeartbeatFrame => [Heartbeat, 0, 0, 0, 0, 0, 0, FrameEnd];
}
