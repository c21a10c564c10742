using SafeAmqp.Consuming;
using SafeAmqp.Publishing;
using SafeAmqp.Rpc;
using SafeAmqp.Topology;

namespace SafeAmqp.Tests.Simulation;

// The promises.
internal sealed partial class Simulation
{
    private void LookAtEnds()
    {
        for (int i = 0; i < _pending.Count; i++)
        {
            Attempt attempt = _pending[i];
            if (attempt.HasEnded())
            {
                _pending.RemoveAt(i--);
                Finish(attempt, attempt.End);
            }
            else
            {
                Require(Now <= attempt.Deadline + Tolerance, $"attempt {attempt.Id} did not end by its deadline");
            }
        }
        foreach (var job in _declares)
            Require(job.Completion.HasEnded || Now <= job.Deadline + Tolerance, "a declaration did not end by its deadline");
        foreach (var (subscription, startBy) in _subscriptions)
        {
            Require(subscription.Started.HasEnded || Now <= startBy + Tolerance, "who waits for a consumer's start was not told by the deadline");
            if (!subscription.Started.HasEnded || _stopped.Contains(subscription) || _started.Contains(subscription))
                continue;
            if (HasStarted(subscription))
                _started.Add(subscription);
            else
                Stop(subscription); // as ConsumeAsync does
        }
        Require(_closed is null || _actor.IsClosed || Now <= _closeBy + Tolerance, "closing did not end by its deadline");
        Require(_gauges.Unconfirmed <= 2 * Scenario.Window, "the window is not kept");
    }

    private static bool HasStarted(Subscription subscription)
    {
        try
        {
            return subscription.Started.Task.GetAwaiter().GetResult();
        }
        catch (Exception error) when (error is AmqpTopologyException or ObjectDisposedException)
        {
            return false;
        }
    }

    private void Finish(Attempt attempt, End end)
    {
        attempt.End = end;
        _pending.Remove(attempt);
        Note(end.ToString(), attempt.Id);
        Count(end.ToString());
        CheckOutcome(attempt);
        if (_afterEnd.Remove(attempt.Id, out Action? next))
            next();
    }

    private void CheckOutcome(Attempt attempt)
    {
        string it = $"attempt {attempt.Id} ended {attempt.End}";
        bool wasPassed = attempt.Passes.Count > 0;
        bool isCall = attempt.Job is CallJob;
        switch (attempt.End)
        {
            case End.Confirmed:
                Require(attempt.Acks > 0 && attempt.Job is PublishJob, $"{it}, and the broker did not confirm it");
                Require(attempt.Stored > 0 || !attempt.Message.Mandatory, $"{it}, and no queue has it");
                break;
            case End.Posted:
                Require(wasPassed, $"{it}, and was not passed on");
                break;
            case End.Replied or End.RemoteFault:
                Require(attempt.Replies > 0, $"{it}, and nobody replied");
                break;
            case End.Cancelled:
                Require(!wasPassed || isCall, $"{it}, and was passed on");
                break;
            case End.NotSent or End.Disposed:
                Require(!wasPassed, $"{it}, and was passed on");
                break;
            case End.Returned:
                Require(attempt.Returns > 0, $"{it}, and the broker did not return it");
                break;
            case End.Nacked:
                Require(attempt.Nacks > 0, $"{it}, and the broker did not nack it");
                break;
            case End.Refused:
                Require(attempt.Message.Exchange.Length > 0, $"{it}, and the default exchange refuses nothing");
                break;
            case End.Unknown or End.NoReplyToUnknown:
                Require(wasPassed, $"{it}, and was not passed on");
                Require(Now >= attempt.Deadline || _closed is not null || attempt.Passes.Exists(channel => channel.IsGone) || isCall, $"{it}, and nothing had happened");
                break;
            case End.NoReplyToConfirmed:
                Require(attempt.Acks > 0, $"{it}, and the broker did not confirm it");
                break;
        }
    }

    private void CheckEnd()
    {
        Require(_pending.Count == 0 && Attempts.Count == Sent, $"not everything ended: {Pending()}");
        foreach (Attempt attempt in Attempts)
        {
            if (attempt.End is End.Returned or End.Nacked or End.Refused or End.NotSent or End.Disposed || (attempt.End == End.Cancelled && attempt.Job is not CallJob))
                CheckNeverStored(attempt);
        }
        CheckOrder();
        Require(_credit.Messages == 0 && _credit.Bytes == 0 && _places.Messages == 0,
            $"credit was lost: {_credit.Messages} messages, {_credit.Bytes} bytes, {_places.Messages} calls");
        Require(_gauges.Queued == 0 && _gauges.Unconfirmed == 0 && _gauges.PendingCalls == 0, "something is left in the closed link");
        foreach (DeclareJob job in _declares)
            Require(job.Completion.HasEnded, "a declaration did not end");
        foreach (var (subscription, _) in _subscriptions)
            Require(subscription.Started.HasEnded && subscription.Quiet.HasEnded && subscription.Ended.HasEnded, "a subscription did not end");
        Require(_openWaits.TrueForAll(wait => wait.HasEnded), "a wait for the link did not end");
        Count("stale settlements", _actor.StaleSettlements);
        Count("late replies", _gauges.LateReplies);
        Count("messages", Attempts.Count);
    }

    private void CheckNeverStored(Attempt attempt)
    {
        if (attempt.Stored == 0)
            return;
        // Known limit: when an exchange vanishes while several publishes to it are unanswered, the first of them counts as the one over which
        // the channel was closed, although it may have been stored before.
        if (attempt.End == End.Refused && attempt.Message.Exchange == "news")
            Count("refused although stored");
        else
            throw new ViolationException($"attempt {attempt.Id} ended {attempt.End}, and is stored {attempt.Stored} times");
    }

    // What goes again keeps its order among what goes with it on the same channel; what was confirmed on the lost one stays before it.
    private void CheckOrder()
    {
        foreach (var publisher in Attempts.Where(attempt => attempt.Job is PublishJob).GroupBy(attempt => attempt.Publisher))
        {
            long last = 0;
            var lastOn = new Dictionary<SimulatedChannel, long>();
            foreach (Attempt attempt in publisher)
            {
                if (attempt.End == End.Unknown)
                {
                    last = 0;
                    lastOn.Clear();
                }
                if (attempt.End != End.Confirmed || attempt.StoredAt == 0)
                    continue;
                bool isRepeated = attempt.Passes.Count > 1;
                Require(attempt.StoredAt > lastOn.GetValueOrDefault(attempt.Passes[^1]) && (isRepeated || attempt.StoredAt > last),
                    $"attempt {attempt.Id} overtook another of its publisher");
                lastOn[attempt.Passes[^1]] = attempt.StoredAt;
                if (!isRepeated)
                    last = attempt.StoredAt;
            }
        }
    }

    private string Pending()
        => $"{Sent - Attempts.Count} attempts not begun, {_pending.Count} pending ({string.Join(", ", _pending.Select(attempt => attempt.Id).Take(5))}), link {_actor.State}, {_credit.Messages} messages of credit taken, consumers {string.Join(", ", _subscriptions.Select(s => s.Subscription.State))}";
}
