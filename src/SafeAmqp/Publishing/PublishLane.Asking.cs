using SafeAmqp.Actor;
using SafeAmqp.Topology;

namespace SafeAmqp.Publishing;

// A queue without a majority answers nothing, and its channel is well. A channel that the broker has lost track of, or whose connection it does not read any more, answers
// nothing either. A question of no consequence tells them apart: the channel answers it, whatever its queues do.
internal sealed partial class PublishLane
{
    /// <summary>Nothing was answered for so long although publishes wait: time to ask.</summary>
    private static readonly long Silence = TimeSpan.FromSeconds(5).Ticks;

    private Question _question = new();
    private long _heardAt; // the broker's last answer on this channel, or the first publish after all were answered

    /// <summary>The broker answered something on this channel, so it has not lost track of it.</summary>
    private void Heard()
    {
        _heardAt = Actor.Now;
        if (_question.IsAsked)
            _question.Ask(Actor.Now);
    }

    private void Began()
    {
        _heardAt = Actor.Now;
        Actor.WakeAt(_heardAt + Silence);
    }

    /// <summary>Asks when it is time, and gives the channel up when the question goes unheard.</summary>
    /// <returns>When to look again.</returns>
    private long AskWhenSilent(long now)
    {
        if (!IsOpen || _ledger.Count == 0 || Actor.State != AmqpLinkState.Open)
            return ActorClock.Never;
        if (Actor.IsBlocked)
        {
            Heard(); // it reads nothing, for a reason, and will read on
            return now + Silence;
        }
        if (_question.IsAsked)
        {
            if (_question.IsUnheard(now, Actor.Link.Traffic(Actor.Epoch), out long next))
                Replace(new CloseReason(0, $"the channel was replaced, as the broker answered nothing on it for {TimeSpan.FromTicks(now - _heardAt).TotalSeconds:0.0} s, not even a question",
                    ByBroker: false, new TimeoutException("The broker did not answer in time.")));
            return next;
        }
        if (Math.Max(_heardAt, Actor.UnblockedAt) + Silence > now)
            return Math.Max(_heardAt, Actor.UnblockedAt) + Silence;
        _question.Ask(now);
        Actor.Link.Declare(Incarnation, new TopologyItem.Probe());
        return now + Question.Patience;
    }
}
