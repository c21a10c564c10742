using System.Globalization;
using SafeAmqp.Actor;
using SafeAmqp.Consuming;
using SafeAmqp.Publishing;
using SafeAmqp.Rpc;
using SafeAmqp.Simulation.Checking;
using SafeAmqp.Topology;
using static SafeAmqp.Simulation.Checking.ViolationException;

namespace SafeAmqp.Simulation.Runs;

// The promises.
internal sealed partial class World
{
    private AmqpLinkState _lastState;
    private int _lastOpenEpoch;

    private void LookAtEnds()
    {
        for (int i = 0; i < _pending.Count; i++)
        {
            Sending sending = _pending[i];
            if (sending.HasEnded(out End end))
            {
                Finish(sending, end);
                i--;
            }
            else
            {
                Require(
                    Now <= sending.Attempt.Deadline + HistoryChecker.Tolerance,
                    $"attempt {sending.Attempt.Id} did not end by its deadline");
            }
        }
        foreach (AdminJob job in _declares)
            Require(
                job.Completion.HasEnded || Now <= job.Deadline + HistoryChecker.Tolerance,
                "a declaration did not end by its deadline");
        foreach (var (subscription, startBy) in _subscriptions)
        {
            Require(
                subscription.Started.HasEnded || Now <= startBy + HistoryChecker.Tolerance,
                "the wait for a consumer's start did not end by the deadline");
            if (!subscription.Started.HasEnded || _stopped.Contains(subscription) || _started.Contains(subscription))
                continue;
            if (HasStarted(subscription))
                _started.Add(subscription);
            else
                Stop(subscription); // as ConsumeAsync does
        }
        Require(
            _closed is null || _actor.IsClosed || Now <= _closeBy + HistoryChecker.Tolerance,
            "closing did not end by its deadline");
    }

    private void CheckStep()
    {
        Require(_credit.Messages <= Math.Max(1, Scenario.MaxPending), $"{_credit.Messages} messages are pending");
        Require(
            _credit.Messages <= 1 || _credit.Bytes <= Scenario.MaxPendingBytes, $"{_credit.Bytes} bytes are pending");
        Require(_actor.PendingCalls <= Scenario.MaxCalls, $"{_actor.PendingCalls} calls are pending");
        Require(_actor.Queued <= Math.Max(1, Scenario.MaxPending), $"{_actor.Queued} jobs are queued");
        if (_actor.IsClosed)
            return;
        _broker.CheckStep();
        CheckNothingWaitsInVain();
        foreach (var (subscription, _) in _subscriptions)
            Require(
                subscription.Unsettled == 0 || subscription.Channel is { Incarnation: not 0 },
                "what a lost channel had counts as unsettled");
        if (_mailbox.Count == 0)
            CheckSettlementsLeft();
        if (_actor.State == AmqpLinkState.Open && (_lastState != AmqpLinkState.Open || _lastOpenEpoch != _actor.Epoch))
        {
            _lastOpenEpoch = _actor.Epoch;
            Count("links opened");
            _broker.CheckOpen(Topology);
            Require(_broker.Current!.ChannelsLost > 0 || _subscriptions.TrueForAll(
                s => !_started.Contains(s.Subscription) || s.Subscription.State != AmqpConsumerState.Recovering),
                "the link is open before its consumers are live again");
        }
        _lastState = _actor.State;
    }

    // What was sent over a channel that is gone ends at once, or goes again; a call may wait for a reply that comes by
    // another way.
    private void CheckNothingWaitsInVain()
    {
        foreach (Sending sending in _pending)
        {
            if (sending.Channels.Count == 0 || sending.Attempt.Kind == Kind.CallToFixedQueue
                || (Scenario.Republish && sending.Attempt.Kind == Kind.Publish))
                continue;
            var channel = sending.Channels[^1];
            Require(
                !channel.IsKnownGone || (sending.IsAnswered && !channel.IsDirect && !channel.Connection.IsAbandoned),
                $"attempt {sending.Attempt.Id} waits for an answer that cannot come any more");
            Require(
                sending.WayBack is not { IsKnownGone: true },
                $"attempt {sending.Attempt.Id} waits for a reply that cannot come any more");
        }
    }

    // A settlement is never held back; one for a channel that is gone has no effect.
    private void CheckSettlementsLeft()
    {
        if (_requested.Count == 0)
            return;
        foreach (var (incarnation, tag) in _requested.Keys.ToList())
        {
            Require(
                !_broker.IsInUse(incarnation),
                $"the settlement of delivery {tag} of channel {incarnation} is held back");
            _requested.Remove((incarnation, tag));
        }
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

    // With nothing in the way: a publish, a call to each address, and to the queue whose leader was lost; each consumer
    // works.
    private void ProveItWorks()
    {
        ProveWhatIsNotReadIsReplaced();
        Prove("", "somewhere", null);
        Prove("orders", "somewhere", null);
        Prove("", "somewhere", AmqpReplyAddress.Exclusive);
        Prove("", "somewhere", AmqpReplyAddress.Direct);
        Prove("news", "somewhere", FixedQueue);
        ProveLeaderIsFound();
        ProveConsumersWork();
        ProveServersWork();
        // What the broker left unanswered when it was declared again is named in the status until it has been. What two
        // links ended over is left out.
        int leftOut = _topology.Refused.Count;
        Count("declarations that two links ended over", leftOut);
        RunUntil(() => _actor.TopologyErrors.Count == leftOut,
            Now + Scenario.OperationTimeout.Ticks + MaxDelay.Ticks + Ms(1_000));
        Require(
            _actor.TopologyErrors.Count == leftOut,
            $"what was not answered is not declared again: {string.Join("; ", _actor.TopologyErrors)}");
        _broker.CheckTopology(Topology);
    }

    // What the broker does not read stays so when everything else is well. It shows when somebody waits for an answer.
    private void ProveWhatIsNotReadIsReplaced()
    {
        long limit = Now + Ms(60_000);
        while (_broker.HasDeaf)
        {
            Require(Now < limit, "what the broker does not read any more is not replaced");
            Prove("", "somewhere", null, isCertain: false);
            Prove("", "somewhere", AmqpReplyAddress.Direct, isCertain: false);
        }
    }

    // F4: a channel that names a dead leader is replaced after ten nacks over 250 ms, and at most once in 10 s.
    private void ProveLeaderIsFound()
    {
        long limit = Now + Ms(12_000);
        while (true)
        {
            if (Prove("", "led", null) == End.Confirmed)
                return;
            Count("nacks by a channel that names a dead leader");
            Require(Now < limit, "a channel that names a dead leader is not replaced");
            RunUntil(() => false, Now + Ms(40));
        }
    }

    private void ProveConsumersWork()
    {
        Subscription[] live = [.. _subscriptions.Select(s => s.Subscription)
            .Where(subscription => subscription is { State: AmqpConsumerState.Live, Serves: null })];
        int[] before = [.. live.Select(subscription => _broker.SettledOn(subscription.Queue))];
        RunUntil(
            () => live.Index()
                .All(one => _broker.SettledOn(one.Item.Queue) > before[one.Index] || _stopped.Contains(one.Item)),
            Now + Ms(20_000));
        foreach (var (index, subscription) in live.Index())
            Require(
                _broker.SettledOn(subscription.Queue) > before[index] || _stopped.Contains(subscription),
                $"the consumer of {subscription.Queue} is live and nothing is settled");
    }

    private End Prove(string exchange, string key, AmqpReplyAddress? replyTo, bool isCertain = true)
    {
        int id = _sendings.Count;
        var message = new AmqpMessage
        {
            Exchange = exchange,
            RoutingKey = key,
            MessageId = id.ToString(CultureInfo.InvariantCulture)
        };
        Sending proof = Begin(new Attempt
        {
            Id = id,
            Publisher = -1,
            Exchange = exchange,
            Deadline = Now + Ms(20_000),
            Accepted = ++_accepted
        }, message);
        Require(
            _credit.TryTake(0) && _places.TryTake(0),
            $"the credit is not back: {_credit.Messages} messages, {_credit.Bytes} bytes, {_places.Messages} calls");
        if (replyTo is null)
        {
            _places.Release(0);
            proof.Job = new PublishJob(message, Now, proof.Attempt.Deadline, _credit);
        }
        else
        {
            proof.Job = NewCall(proof, replyTo);
        }
        _sent++;
        Post(proof.Job);
        RunUntil(() => proof.Attempt.End != End.Pending, Now + Ms(20_300));
        RunUntil(() => _credit.Messages == 0, Now + Ms(1_000)); // a call's reply may come before its request's confirm
        End end = proof.Attempt.End;
        Require(
            end is End.Confirmed or End.Replied or End.RemoteFault || (end == End.Nacked && key == "led") || !isCertain,
            $"after all faults a {proof.Attempt.Kind} ends {end}");
        return end;
    }

    private void CheckEnd()
    {
        Require(_pending.Count == 0 && _sendings.Count == _sent, $"not everything ended: {Pending()}");
        LookAtEnds();
        _checker.CheckWhole(_sendings.ConvertAll(sending => sending.Attempt));
        Require(
            _credit.Messages == 0 && _credit.Bytes == 0 && _places.Messages == 0,
            $"credit was lost: {_credit.Messages} messages, {_credit.Bytes} bytes, {_places.Messages} calls");
        Require(
            _actor.Queued == 0 && _actor.Unconfirmed == 0 && _actor.PendingCalls == 0,
            "something is left in the closed link");
        foreach (AdminJob job in _declares)
            Require(job.Completion.HasEnded, "a declaration did not end");
        foreach (var (subscription, _) in _subscriptions)
            Require(
                subscription.Started.HasEnded && subscription.Quiet.HasEnded && subscription.Ended.HasEnded,
                "a subscription did not end");
        Require(_openWaits.TrueForAll(wait => wait.Completion.HasEnded), "a wait for the link did not end");
        Count("stale settlements", _actor.StaleSettlements);
        Count("late replies", _actor.LateReplies);
        Count("messages", _sendings.Count);
    }

    private string Pending()
        => $"{_sent - _sendings.Count} attempts not begun, {_pending.Count} "
            + $"pending ({string.Join(", ", _pending.Select(sending => sending.Attempt.Id).Take(5))}), "
            + $"link {_actor.State}, {_credit.Messages} messages of credit taken, "
            + $"consumers {string.Join(", ", _subscriptions.Select(s => s.Subscription.State))}";
}
