using System.Buffers.Binary;
using System.Collections.Concurrent;
using SafeAmqp.Actor;
using SafeAmqp.Transport;
using static SafeAmqp.Transport.FrameFormat;

namespace SafeAmqp.Broker;

/// <summary>
/// Takes what comes in masses, confirms, returns and deliveries, out of what the broker sends and posts it, stamped and in order. RabbitMQ.Client's way
/// there leads over its read loop, its dispatcher and their wake-ups of the pool; all else still goes that way. Only the thread that receives uses it.
/// </summary>
internal sealed class IncomingFrames(Action<BrokerSignal> post)
{
    private const int MethodIdSize = 4;
    private const uint ConsumeOk = (60 << 16) | 21, Return = (60 << 16) | 50, Deliver = (60 << 16) | 60;

    private readonly ConcurrentDictionary<ushort, long> _incarnations = [];
    private readonly Dictionary<ushort, IncomingContent> _contents = [];

    /// <summary>Notes which of our channels has a number of the connection's. Called before the channel is used, from any thread.</summary>
    internal void Opened(ushort channel, long incarnation) => _incarnations[channel] = incarnation;

    /// <summary>Which of our channels a number is.</summary>
    internal long? IncarnationOf(ushort channel) => _incarnations.TryGetValue(channel, out long incarnation) ? incarnation : null;

    /// <inheritdoc cref="FrameTap"/>
    internal bool Take(ReadOnlySpan<byte> frame)
    {
        ushort channel = BinaryPrimitives.ReadUInt16BigEndian(frame[1..]);
        if (channel == 0 || !_incarnations.TryGetValue(channel, out long incarnation))
            return false;
        ReadOnlySpan<byte> payload = frame[PrefixSize..^1];
        if (!_contents.TryGetValue(channel, out IncomingContent? content))
            _contents.Add(channel, content = new IncomingContent());
        switch (frame[0])
        {
            case Header when content.AwaitsHeader:
                if (content.TakeHeader(payload))
                    post(content.ToSignal(incarnation));
                return true;
            case Body when content.AwaitsBody:
                if (content.TakeBody(payload) is not { } isWhole)
                    throw Unexpected(channel, "more of a body than was announced");
                if (isWhole)
                    post(content.ToSignal(incarnation));
                return true;
            case Method or Header or Body when content.AwaitsHeader || content.AwaitsBody:
                throw Unexpected(channel, $"a frame of type {frame[0]} inside a message");
            case Method:
                return TakeMethod(payload, content, incarnation);
            default:
                return false;
        }
    }

    private bool TakeMethod(ReadOnlySpan<byte> payload, IncomingContent content, long incarnation)
    {
        ReadOnlySpan<byte> arguments = payload[MethodIdSize..];
        switch (BinaryPrimitives.ReadUInt32BigEndian(payload))
        {
            case BasicAck:
                post(new BrokerSignal.Acked(incarnation, BinaryPrimitives.ReadUInt64BigEndian(arguments), (arguments[8] & 1) != 0));
                return true;
            case BasicNack:
                post(new BrokerSignal.Nacked(incarnation, BinaryPrimitives.ReadUInt64BigEndian(arguments), (arguments[8] & 1) != 0));
                return true;
            case Deliver:
                content.BeginDelivery(arguments);
                return true;
            case Return:
                content.BeginReturn(arguments);
                return true;
            case ConsumeOk:
                post(new BrokerSignal.ConsumerStarted(incarnation)); // here, so that it comes before the first delivery
                return false;
            default:
                return false;
        }
    }

    // RabbitMQ.Client keeps this state for what it reads, and would end the connection in its own way (505).
    private static FrameGuardException Unexpected(ushort channel, string what)
        => new(FrameRule.FrameOrder, $"The peer sent {what} on channel {channel}.");
}
