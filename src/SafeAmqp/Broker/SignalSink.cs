using SafeAmqp.Actor;
using SafeAmqp.Telemetry;
using SafeAmqp.Wire;

namespace SafeAmqp.Broker;

/// <summary>
/// Turns what comes in masses (confirms, returns and deliveries) into signals, stamped and in order. RabbitMQ.Client
/// would take them through its read loop and dispatcher, with wake-ups of the pool; all other frames still go that way.
/// </summary>
internal sealed class SignalSink(Action<BrokerSignal> post, InboundPipe client) : IFrameSink
{
    public void Acked(long channel, ulong sequence, bool multiple)
        => post(new BrokerSignal.Acked(channel, sequence, multiple));

    public void Nacked(long channel, ulong sequence, bool multiple)
        => post(new BrokerSignal.Nacked(channel, sequence, multiple));

    public void Returned(long channel, int slot, int code, string text)
        => post(new BrokerSignal.Returned(channel, slot, code, StatusText.Printable(text)));

    public void Delivered(long channel, ulong tag, bool redelivered, AmqpMessage message)
        => post(new BrokerSignal.Delivered(channel, tag, redelivered, message));

    public void ConsumerStarted(long channel) => post(new BrokerSignal.ConsumerStarted(channel));

    public void Pass(ReadOnlySpan<byte> frames) => client.Put(frames);
}
