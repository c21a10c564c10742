using SafeAmqp.Consuming;

namespace SafeAmqp.Actor;

/// <summary>Why a link or a channel ended.</summary>
/// <param name="Code">The broker's reply code; 0 when the broker gave none.</param>
/// <param name="Text">The broker's text or the exception's message, safe to show.</param>
/// <param name="ByBroker">Whether the broker closed it with that code.</param>
/// <param name="Error">The exception behind it, when there is one.</param>
internal sealed record CloseReason(int Code, string Text, bool ByBroker, Exception? Error = null)
{
    /// <summary>The message over which the link ended, when it was one.</summary>
    internal PoisonSuspect? Suspect { get; init; }

    internal string Describe() => Code == 0 ? Text : $"{Code} {Text}";
}

/// <summary>
/// What the broker did, stamped with the epoch of the link or the incarnation of the channel that it came on: a closed family of past
/// participles. A signal whose stamp is not current is dropped.
/// </summary>
internal abstract class BrokerSignal : ActorMessage
{
    internal sealed class Connected(int epoch, string host) : BrokerSignal
    {
        internal int Epoch => epoch;
        internal string Host => host;
    }

    internal sealed class ConnectFailed(int epoch, CloseReason end, bool refused, string host) : BrokerSignal
    {
        internal int Epoch => epoch;
        internal CloseReason End => end;
        internal bool Refused => refused;
        internal string Host => host;
    }

    internal sealed class LinkLost(int epoch, CloseReason end) : BrokerSignal
    {
        internal int Epoch => epoch;
        internal CloseReason End => end;
    }

    internal sealed class Blocked(int epoch, string reason) : BrokerSignal
    {
        internal int Epoch => epoch;
        internal string Reason => reason;
    }

    internal sealed class Unblocked(int epoch) : BrokerSignal
    {
        internal int Epoch => epoch;
    }

    /// <summary>A signal of one channel.</summary>
    internal abstract class OfChannel(long incarnation) : BrokerSignal
    {
        internal long Incarnation => incarnation;
    }

    internal sealed class ChannelOpened(long incarnation) : OfChannel(incarnation);

    internal sealed class ChannelClosed(long incarnation, CloseReason end) : OfChannel(incarnation)
    {
        internal CloseReason End => end;
    }

    /// <summary>The publish that made the channel busy was taken, or failed.</summary>
    internal sealed class Readied(long incarnation, Exception? error) : OfChannel(incarnation)
    {
        internal Exception? Error => error;
    }

    internal sealed class Acked(long incarnation, ulong sequence, bool multiple) : OfChannel(incarnation)
    {
        internal ulong Sequence => sequence;
        internal bool Multiple => multiple;
    }

    internal sealed class Nacked(long incarnation, ulong sequence, bool multiple) : OfChannel(incarnation)
    {
        internal ulong Sequence => sequence;
        internal bool Multiple => multiple;
    }

    internal sealed class Returned(long incarnation, int slot, int code, string text) : OfChannel(incarnation)
    {
        internal int Slot => slot;
        internal int Code => code;
        internal string Text => text;
    }

    /// <summary>The broker answered a declare; carries the name of a server-named queue.</summary>
    internal sealed class Declared(long incarnation, string name) : OfChannel(incarnation)
    {
        internal string Name => name;
    }

    internal sealed class ConsumerStarted(long incarnation) : OfChannel(incarnation);

    /// <summary>The broker cancelled the consumer (its queue is gone), or answered our cancel.</summary>
    internal sealed class ConsumerCancelled(long incarnation, bool byBroker) : OfChannel(incarnation)
    {
        internal bool ByBroker => byBroker;
    }

    internal sealed class Delivered(long incarnation, ulong tag, bool redelivered, AmqpMessage message) : OfChannel(incarnation)
    {
        internal ulong Tag => tag;
        internal bool IsRedelivered => redelivered;
        internal AmqpMessage Message => message;
    }
}
