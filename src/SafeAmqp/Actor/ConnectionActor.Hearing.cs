using SafeAmqp.Broker;

namespace SafeAmqp.Actor;

// Whether the broker still reads: one that sends heartbeats may have ceased to.
internal sealed partial class ConnectionActor
{
    private Question _opening = new();

    /// <summary>When the broker last ended a block: until then it read nothing.</summary>
    internal long UnblockedAt { get; private set; } = long.MinValue / 2;

    internal bool IsBlocked => _blockedReason is not null;

    // Whatever it answers on a channel, it hears us. That a publish was taken is RabbitMQ.Client's word.
    private void Heard(BrokerSignal.OfChannel signal)
    {
        if (_opening.IsAsked && signal is not BrokerSignal.Readied)
            _opening.Answered();
    }

    private void AskedToOpen()
    {
        if (!_opening.IsAsked)
            _opening.Ask(Now);
        WakeAt(Now + Question.Patience);
    }

    /// <summary>
    /// A broker opens a channel at once. One that does not, and answers nothing else, does not read this connection any more, although its heartbeats come: RabbitMQ 3.10 was
    /// seen so for 43 s after the leader of a quorum queue was killed, until it closed the connection itself.
    /// </summary>
    private long Listen(long now)
    {
        if (!IsConnected || !_opening.IsAsked || State == AmqpLinkState.Closing)
            return ActorClock.Never;
        if (IsBlocked)
        {
            _opening.Ask(now); // it reads nothing, for a reason, and will read on
            return now + Question.Patience;
        }
        if (!_opening.IsUnheard(now, Link.Traffic(Epoch), out long next))
            return next;
        LoseLink(new CloseReason(0, "the broker sends heartbeats and opens no channel: it does not read this connection any more", ByBroker: false,
            new TimeoutException("The broker did not answer in time.")));
        return ActorClock.Never;
    }
}
