namespace SafeAmqp.Actor;

// Closing: what was sent gets its answer until the deadline, then everything ends.
internal sealed partial class ConnectionActor
{
    private readonly List<ActorCommand.Close> _closers = [];
    private long _closeBy = ActorClock.Never;
    private Exception? _crash;

    /// <summary>The thread died of a bug. Everything ends, and says so.</summary>
    internal void Crash(Exception error)
    {
        _crash = error;
        _lastError = $"bug in SafeAmqp: {error.Message}";
        FinishClose(new CloseReason(0, _lastError, ByBroker: false, error));
    }

    private void Close(ActorCommand.Close close)
    {
        _closers.Add(close);
        _closeBy = Math.Min(_closeBy, close.Deadline);
        WakeAt(_closeBy);
        if (State == AmqpLinkState.Closing)
            return;
        MoveTo(AmqpLinkState.Closing, "disposed");
        Calls.EndAll("the client was disposed");
        foreach (ActorCommand.WaitOpen waiter in _openWaiters)
            waiter.Abandon(this);
        _openWaiters.Clear();
    }

    private void CloseWhenIdle(long now)
    {
        bool idle = _lane.IsIdle && _directLane is not { IsIdle: false };
        if (idle || !MayPublish || now >= _closeBy)
            FinishClose(new CloseReason(0, "the client was disposed", ByBroker: false));
    }

    // The order: senders hear first what became of their messages; then those who wait for the broker; the goodbye last, as it may take time.
    private void FinishClose(CloseReason end)
    {
        bool wasConnected = IsConnected;
        IsConnected = false;
        _lane.EndAll(end, end.Text);
        _directLane?.EndAll(end, end.Text);
        Calls.EndAll(end.Text);
        Admin.EndAll(end);
        Replies.EndAll();
        foreach (var consumer in _consumers.ToArray())
            Remove(consumer, DisposedError());
        foreach (ActorCommand.WaitOpen waiter in _openWaiters)
            waiter.Abandon(this);
        if (State != AmqpLinkState.Closed)
            MoveTo(AmqpLinkState.Closed, end.Text);
        Link.Abandon(Epoch, politely: wasConnected && _crash is null);
        foreach (ActorCommand.Close closer in _closers)
            closer.Completion.TryComplete(true);
        _closers.Clear();
        PublishGauges();
    }
}
