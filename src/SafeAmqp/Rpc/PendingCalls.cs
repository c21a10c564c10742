using SafeAmqp.Actor;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Rpc;

/// <summary>The calls that have not ended, by correlation id. An id is used once; a reply that fits none is counted and
/// dropped.</summary>
internal sealed class PendingCalls(ConnectionActor actor)
{
    private readonly Dictionary<string, CallJob> _calls = [];

    /// <summary>How many there are, for any thread; the table's own count is for its owner alone.</summary>
    internal int Count { get; private set; }

    /// <summary>Replies that came too late, twice, or for no call.</summary>
    internal long Late { get; private set; }

    /// <returns>False when a call with that id is waiting already.</returns>
    internal bool TryAdd(CallJob call)
    {
        if (!_calls.TryAdd(call.CorrelationId, call))
            return false;
        Count = _calls.Count;
        call.Register(this);
        actor.WakeAt(call.Deadline);
        return true;
    }

    /// <summary>The call is removed from the status before its caller resumes.</summary>
    internal void Remove(CallJob call)
    {
        _calls.Remove(call.CorrelationId);
        Count = _calls.Count;
    }

    /// <returns>Whether a call was waiting for it.</returns>
    internal bool Answer(string? correlationId, AmqpMessage reply, DeliveryFlaw? flaw, long now)
    {
        // A reply to a request that was never sent cannot be one: ids are not guessable, but a caller may have chosen
        // its own.
        if (correlationId is null || !_calls.TryGetValue(correlationId, out CallJob? call) || !call.WasPassed)
        {
            Late++;
            return false;
        }
        if (flaw is null)
            call.Reply(reply, now);
        else
            call.GiveUp($"a reply came that cannot be read: {flaw.Reason}", actor.Snapshot(), inner: null);
        return true;
    }

    /// <summary>The replies to one kind of address are lost: its calls that were sent end at once.</summary>
    internal void LoseReplies(AmqpReplyAddress address, CloseReason end)
    {
        AmqpClientStatus? status = null;
        foreach (CallJob call in _calls.Values.Where(call => call.ReplyTo == address && call.WasPassed).ToArray())
            call.GiveUp($"the way back was lost: {end.Describe()}", status ??= actor.Snapshot(), end.Error);
    }

    internal long Expire(long now)
    {
        AmqpClientStatus? status = null;
        long earliest = ActorTime.Never;
        List<CallJob>? due = null;
        foreach (CallJob call in _calls.Values)
        {
            if (call.Deadline <= now)
                (due ??= []).Add(call);
            else
                earliest = Math.Min(earliest, call.Deadline);
        }
        foreach (CallJob call in due ?? [])
        {
            call.Queue?.Remove(call);
            string waited = StatusText.Seconds(TimeSpan.FromTicks(now - call.AcceptedAt));
            status ??= actor.Snapshot();
            string why = call.RequestOutcome switch
            {
                AmqpOutcome.NotSent => WaitReason.NotSent(status),
                AmqpOutcome.Confirmed => WaitReason.NotReplied(status),
                _ => WaitReason.NotAnswered(status),
            };
            call.GiveUp($"timed out after {waited}: {why}", status, new TimeoutException($"Timed out after {waited}."));
        }
        return earliest;
    }

    internal void EndAll(string why)
    {
        AmqpClientStatus status = actor.Snapshot();
        foreach (CallJob call in _calls.Values.ToArray())
        {
            call.Queue?.Remove(call);
            call.GiveUp(why, status, inner: null);
        }
    }
}

/// <summary>A reply that came on another link (a fixed reply queue); without an id it answers no call.</summary>
internal sealed record Replied(string? CorrelationId, AmqpMessage Reply, Completion<bool> Matched,
    DeliveryFlaw? Flaw = null) : ActorCommand
{
    public override void Abandon(ConnectionActor actor) => Matched.TryComplete(false);
}
