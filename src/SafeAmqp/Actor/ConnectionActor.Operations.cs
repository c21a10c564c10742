using SafeAmqp.Consuming;
using SafeAmqp.Publishing;
using SafeAmqp.Rpc;
using SafeAmqp.Topology;

namespace SafeAmqp.Actor;

// What callers ask for: sending, declaring, consuming.
internal sealed partial class ConnectionActor
{
    /// <summary>Takes a consumer out, with an error for whoever waits for its start.</summary>
    internal void Remove(ConsumerChannel consumer, Exception? error)
    {
        _consumers.Remove(consumer);
        consumer.Subscription.Place = null;
        consumer.End(error);
        ChannelSettled();
    }

    /// <summary>Puts a queue back that the broker lost while the link stayed up, if it is ours, and its bindings.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="done">Called when each was answered; never when the link is lost before, as the next link declares them all.</param>
    internal void RedeclareQueue(string queue, Action done)
    {
        IReadOnlyList<TopologyItem> items = _topology.OfQueue(queue);
        int left = items.Count;
        if (left == 0)
            done();
        foreach (TopologyItem item in items)
            Admin.Enqueue(item, Now + Settings.OperationTimeout.Ticks, outlivesLink: false, error =>
            {
                if (error is not null)
                    Events.TopologyRefused(item.Key, error.Describe());
                if (--left == 0)
                    done();
            });
    }

    private void Accept(OutgoingJob job)
    {
        if (job.HasEnded)
            return; // cancelled before it got here
        if (State == AmqpLinkState.Closing)
        {
            job.End(DisposedError());
            return;
        }
        if (job.Deadline <= Now)
        {
            job.End(JobErrors.TimedOut(job, Now, Snapshot()));
            return;
        }
        if (job is CallJob call && !AcceptCall(call))
            return;
        LaneOf(job).Accept(job);
    }

    private bool AcceptCall(CallJob call)
    {
        if (!Calls.TryAdd(call))
        {
            call.End(JobErrors.NotSent(call, "a call with its correlation id is waiting already", Snapshot()));
            return false;
        }
        if (call.ReplyTo == AmqpReplyAddress.Exclusive)
            Replies.Want();
        else if (call.ReplyTo == AmqpReplyAddress.Direct && _directLane is null)
        {
            _directLane = new PublishLane(this, new DirectReplies(this));
            if (IsConnected)
                _directLane.Prepare();
        }
        return true;
    }

    private PublishLane LaneOf(OutgoingJob job) => job is CallJob { ReplyTo: var address } && address == AmqpReplyAddress.Direct ? _directLane! : _lane;

    // A publish may be cancelled only while it is ours. A call waits for something else than the broker, so it ends at once; when its
    // request was sent, the reply counts as late.
    private static void Cancel(OutgoingJob job)
    {
        if (job.HasEnded || (job.WasPassed && job is not CallJob))
            return;
        job.Queue?.Remove(job);
        job.EndCancelled();
    }

    private void CheckExchange(string exchange)
        => Admin.Enqueue(new TopologyItem.ExchangeCheck(exchange), Now + Settings.OperationTimeout.Ticks, outlivesLink: false, end =>
        {
            // Anything but "not found" says nothing about the exchange: the publish itself will.
            Exchanges.Checked(exchange, present: end is null || (end.ByBroker && end.Code != 404));
            if (end is not { ByBroker: true, Code: 404 })
                return;
            _lane.Refuse(exchange, end);
            _directLane?.Refuse(exchange, end);
        });

    private void DeclareNext(DeclareJob job)
    {
        if (job.Next is { } item)
        {
            Admin.Enqueue(item, job.Deadline, outlivesLink: true, end =>
            {
                if (end is null)
                    _topology.Remember(item);
                else
                    job.Errors.Add((item, end));
                DeclareNext(job);
            });
        }
        else if (job.Errors.Count == 0)
        {
            job.Completion.TryComplete(true);
        }
        else
        {
            job.Completion.TryFail(job.Error(Snapshot()));
        }
    }

    private void Consume(Subscription subscription)
    {
        var consumer = new ConsumerChannel(this, subscription);
        subscription.Place = consumer;
        _consumers.Add(consumer);
        WakeAt(Now + Settings.OperationTimeout.Ticks);
        if (IsConnected && _replaysLeft == 0)
            consumer.Prepare();
    }

    private void Settle(ActorCommand.Settle settle)
    {
        if (settle.Subscription.Place is { } consumer)
            consumer.Settle(settle.Delivery, settle.Settlement);
        else
            StaleSettlements++;
    }

    private void StopConsuming(Subscription subscription)
    {
        if (subscription.Place is { } consumer)
            consumer.Stop();
        else
            subscription.Quiet.TryComplete(true);
    }

    private void EndConsuming(Subscription subscription)
    {
        if (subscription.Place is { } consumer)
            Remove(consumer, DisposedError()); // only who still waits for its start hears that: it is stopped first when the client is disposed
        else
            subscription.Ended.TryComplete(true);
    }
}
