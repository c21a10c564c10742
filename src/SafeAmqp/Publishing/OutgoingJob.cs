using SafeAmqp.Actor;

namespace SafeAmqp.Publishing;

/// <summary>A message on its way out: a publish, a post or the request of a call. Until it is passed to the broker link
/// it is ours and may be cancelled or expire as <em>not sent</em>; afterwards only the broker, or the loss of its
/// channel, decides. Only the actor changes it, but for <see cref="CancelRegistration"/>, which is set before the job
/// is posted.</summary>
internal abstract class OutgoingJob(AmqpMessage message, long acceptedAt, long deadline, Credit credit) : IActorMessage
{
    private bool _holdsCredit = true;

    internal virtual AmqpMessage Message => message;
    internal int Size => message.Body.Length;
    internal long AcceptedAt => acceptedAt;
    internal long Deadline => deadline;
    internal CancellationToken CancellationToken { get; set; }
    internal CancellationTokenRegistration CancelRegistration { get; set; }

    /// <summary>Whether it was passed on at least once: from then on its end is never <em>not sent</em>.</summary>
    internal bool WasPassed { get; private set; }

    /// <summary>Whether it was passed on, its channel lost, and put back to be passed on again: its first copy may have
    /// arrived.</summary>
    internal bool IsRepeated { get; set; }

    /// <summary>Whether it was in flight when the broker ended a link or channel over something in flight: it goes
    /// again with nothing beside it, so that it can be told from its neighbours.</summary>
    internal bool IsSuspect { get; set; }

    /// <summary>Whether its caller has been answered.</summary>
    internal bool HasEnded { get; private set; }

    /// <summary>The broker's <c>basic.return</c>, which comes before its ack.</summary>
    internal CloseReason? Return { get; set; }

    // Links of the queue in which it waits.
    internal JobQueue? Queue { get; set; }
    internal OutgoingJob? Previous { get; set; }
    internal OutgoingJob? Next { get; set; }

    /// <summary>Whether it may be sent again when its outcome is unknown, if the client's option says so. Never a
    /// request, whose work could be done twice.</summary>
    internal virtual bool MayRepublish => false;

    /// <summary>Whether it waits for an address to which replies can come.</summary>
    internal virtual bool NeedsAddress => false;

    /// <summary>Whether its deadline is kept elsewhere once it has been passed on.</summary>
    internal virtual bool KeepsOwnDeadline => false;

    /// <summary>Whether its caller may still end it: a publish only while it has not been passed on.</summary>
    internal virtual bool MayBeCancelled => !WasPassed;

    /// <summary>What goes on the wire.</summary>
    internal virtual Outgoing ToWire(long now, string? replyAddress) => new(message);

    /// <summary>The channel that it was passed to is gone, and the broker's answer with it.</summary>
    /// <returns>Whether it goes on waiting for something else.</returns>
    internal virtual bool Outlives(CloseReason end) => false;

    /// <summary>It was passed to the broker link.</summary>
    internal void Pass()
    {
        WasPassed = true;
        OnPassed();
    }

    /// <summary>The broker took responsibility.</summary>
    internal void Confirm()
    {
        ReleaseCredit();
        OnConfirmed();
    }

    public void Abandon(ConnectionActor actor) => End(actor.DisposedError());

    /// <summary>Ends with an error, unless it has ended.</summary>
    internal void End(Exception error)
    {
        ReleaseCredit();
        MarkEnded();
        Fail(error);
    }

    /// <summary>A caller's token was cancelled.</summary>
    internal void Cancel(ConnectionActor actor)
    {
        if (HasEnded || !MayBeCancelled)
            return;
        Queue?.Remove(this);
        End(LeftBehind.GivenUp($"The {Message} was cancelled", actor.Snapshot(), CancellationToken));
    }

    protected void MarkEnded()
    {
        HasEnded = true;
        CancelRegistration.Unregister(); // never waits for a callback that runs: that one only posts a message
    }

    protected virtual void OnPassed() { }

    protected abstract void OnConfirmed();

    protected abstract void Fail(Exception error);

    /// <summary>Gives the credit back: no caller waits for the answer any more, or none can come.</summary>
    internal void ReleaseCredit()
    {
        if (!_holdsCredit)
            return;
        _holdsCredit = false;
        credit.Release(Size);
    }
}

/// <summary>A publish that waits for the broker's answer.</summary>
internal class PublishJob(AmqpMessage message, long acceptedAt, long deadline, Credit credit)
    : OutgoingJob(message, acceptedAt, deadline, credit)
{
    private readonly Completion<bool> _completion = new();

    internal ValueTask Task => _completion.Void;
    internal override bool MayRepublish => true;

    protected override void OnConfirmed() => Complete();

    protected override void Fail(Exception error) => _completion.TryFail(error);

    protected void Complete()
    {
        MarkEnded();
        _completion.TryComplete(true);
    }
}

/// <summary>A publish that ends when it is passed on. It keeps its place in the ledger, and its credit, until the
/// broker's answer.</summary>
internal sealed class PostJob(AmqpMessage message, long acceptedAt, long deadline, Credit credit)
    : PublishJob(message, acceptedAt, deadline, credit)
{
    internal override bool MayRepublish => false;

    protected override void OnPassed() => Complete();

    protected override void OnConfirmed() { }
}

/// <summary>A request for many replies: repeating it could do its work twice.</summary>
internal sealed class RequestJob(AmqpMessage message, long acceptedAt, long deadline, Credit credit)
    : PublishJob(message, acceptedAt, deadline, credit)
{
    internal override bool MayRepublish => false;
}

/// <summary>A caller's token was cancelled.</summary>
internal sealed record CancelJob(OutgoingJob Job) : ActorCommand;

/// <summary>Jobs in the order in which they were accepted. Linked through the jobs, so that a cancelled one leaves at
/// once and holds no memory.</summary>
internal sealed class JobQueue
{
    internal OutgoingJob? First { get; private set; }
    internal OutgoingJob? Last { get; private set; }
    internal int Count { get; private set; }

    internal void Add(OutgoingJob job)
    {
        Attach(job);
        job.Previous = Last;
        if (Last is null)
            First = job;
        else
            Last.Next = job;
        Last = job;
    }

    /// <summary>Puts a job that was passed on and has to go again before all others.</summary>
    internal void AddFirst(OutgoingJob job)
    {
        Attach(job);
        job.Next = First;
        if (First is null)
            Last = job;
        else
            First.Previous = job;
        First = job;
    }

    internal void Remove(OutgoingJob job)
    {
        if (job.Queue != this)
            throw new InvalidOperationException("The job is not in this queue. This is a bug in SafeAmqp.");
        if (job.Previous is null)
            First = job.Next;
        else
            job.Previous.Next = job.Next;
        if (job.Next is null)
            Last = job.Previous;
        else
            job.Next.Previous = job.Previous;
        job.Queue = null;
        job.Previous = job.Next = null;
        Count--;
    }

    private void Attach(OutgoingJob job)
    {
        if (job.Queue is not null)
            throw new InvalidOperationException("The job is in a queue already. This is a bug in SafeAmqp.");
        job.Queue = this;
        Count++;
    }
}
