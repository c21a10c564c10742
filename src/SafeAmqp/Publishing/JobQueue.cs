namespace SafeAmqp.Publishing;

/// <summary>
/// Jobs in the order in which they were accepted. Linked through the jobs, so that a cancelled one leaves at once and
/// holds no memory.
/// </summary>
internal sealed class JobQueue
{
    private OutgoingJob? _last;

    internal OutgoingJob? First { get; private set; }

    internal int Count { get; private set; }

    internal void Add(OutgoingJob job)
    {
        Attach(job);
        job.Previous = _last;
        if (_last is null)
            First = job;
        else
            _last.Next = job;
        _last = job;
    }

    /// <summary>Puts a job that was passed on and has to go again before all others.</summary>
    internal void AddFirst(OutgoingJob job)
    {
        Attach(job);
        job.Next = First;
        if (First is null)
            _last = job;
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
            _last = job.Previous;
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
