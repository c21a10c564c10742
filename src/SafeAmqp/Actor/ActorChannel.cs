namespace SafeAmqp.Actor;

/// <summary>A channel of the actor. It outlives the broker's channels, which come and go, each with an incarnation
/// number that is never used again. Signals of an earlier incarnation never get here.</summary>
internal abstract class ActorChannel(ConnectionActor actor)
{
    private int _awaited; // answers
    private long _reopenAt = ActorTime.Never;

    protected ConnectionActor Actor => actor;

    /// <summary>The channel's number; 0 while there is none.</summary>
    internal long Incarnation { get; private set; }

    internal bool IsOpen { get; private set; }

    /// <summary>Whether it waits before it opens again.</summary>
    protected bool IsReopening => _reopenAt != ActorTime.Never;

    /// <summary>When an answer is overdue, so that a broker that answers heartbeats but not us cannot block us for
    /// ever.</summary>
    internal long AnswerBy { get; private set; } = ActorTime.Never;

    internal void Dispatch(BrokerSignal.OfChannel signal)
    {
        switch (signal)
        {
            case BrokerSignal.ChannelOpened:
                Answered();
                IsOpen = true;
                OnOpened();
                break;
            case BrokerSignal.ChannelClosed closed:
                Forget();
                OnClosed(closed.End);
                break;
            default:
                OnSignal(signal);
                break;
        }
    }

    internal void LoseLink(CloseReason end)
    {
        Forget();
        OnLinkLost(end);
    }

    /// <summary>Acts on what is due.</summary>
    /// <returns>When to be asked again.</returns>
    internal long Advance(long now)
    {
        if (AnswerBy <= now)
        {
            var end = CloseReason.Unanswered(
                $"the broker did not answer within {actor.Settings.OperationTimeout.TotalSeconds:0.###} s");
            Close();
            OnClosed(end);
        }
        long next = OnAdvance(now);
        if (_reopenAt <= now)
        {
            _reopenAt = ActorTime.Never;
            if (actor.IsConnected)
                Prepare();
        }
        return Math.Min(next, Math.Min(AnswerBy, _reopenAt));
    }

    /// <summary>Opens it, unless it is open or not wanted.</summary>
    internal virtual void Prepare() { }

    protected void Open(bool confirms, int prefetch)
    {
        _reopenAt = ActorTime.Never;
        Incarnation = actor.NewIncarnation(this);
        AwaitAnswer();
        actor.Link.OpenChannel(actor.Epoch, Incarnation, confirms, prefetch);
    }

    /// <summary>Closes the channel from our side; no signal of it is handled any more.</summary>
    protected void Close()
    {
        if (Incarnation != 0)
            actor.Link.CloseChannel(Incarnation);
        Forget();
    }

    /// <summary>Opens it again, after a delay that grows with the attempts.</summary>
    protected void ReopenLater(int attempt)
    {
        _reopenAt = actor.Now + actor.RetryDelay(attempt).Ticks;
        actor.WakeAt(_reopenAt);
    }

    protected void AwaitAnswer()
    {
        _awaited++;
        AnswerBy = actor.Now + actor.Settings.OperationTimeout.Ticks;
        actor.WakeAt(AnswerBy);
    }

    protected void Answered()
    {
        if (--_awaited == 0)
            AnswerBy = ActorTime.Never;
    }

    protected abstract void OnOpened();

    /// <summary>The channel was closed: by the broker, or by us for want of an answer.</summary>
    protected abstract void OnClosed(CloseReason end);

    protected abstract void OnLinkLost(CloseReason end);

    protected abstract void OnSignal(BrokerSignal.OfChannel signal);

    protected virtual long OnAdvance(long now) => ActorTime.Never;

    /// <summary>Sends what was gathered over a batch of messages.</summary>
    /// <returns>False when something is held back: it is asked again after the next batch.</returns>
    internal virtual bool Flush() => true;

    private void Forget()
    {
        actor.RetireIncarnation(Incarnation);
        Incarnation = 0;
        IsOpen = false;
        _awaited = 0;
        AnswerBy = _reopenAt = ActorTime.Never;
    }
}
