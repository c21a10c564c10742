using System.Diagnostics;

namespace SafeAmqp.Actor;

/// <summary>
/// The continuations of what ended on one I/O thread, handed out together: its <see cref="ContinuationThread"/> runs many, one after the other,
/// and the thread pool helps when they take long.
/// </summary>
/// <remarks>
/// Nobody waits long for another's continuation: those that compute call for help with the rest themselves, for one that blocks the I/O
/// thread does, which looks after what it has handed out. Helpers take from the same array, so each continuation runs once and they begin in order.
/// What they post to the I/O thread while others are about to run wakes it once, behind the last: their messages leave together. The thread
/// looks by itself before that matters.
/// </remarks>
internal sealed class ContinuationBatch(Mailbox mailbox, ContinuationThread thread)
{
    /// <summary>What a batch may take on one thread; then the rest is shared with another. Many times what waking one of the pool costs.</summary>
    private static readonly long HelpAfter = Stopwatch.Frequency / 500; // 2 ms

    /// <summary>How long a continuation may block before another thread goes on with the rest.</summary>
    internal static readonly long LookAfter = TimeSpan.FromMilliseconds(4).Ticks;

    [ThreadStatic]
    private static ContinuationBatch? _ofThisThread;

    [ThreadStatic]
    private static Handed? _followed; // set while a continuation runs that others of its batch wait behind

    private readonly List<Completion> _ended = [];
    private readonly List<Handed> _handed = [];
    private long _lookAt = ActorClock.Never;

    /// <summary>The batch of the I/O thread that asks; null on any other thread.</summary>
    internal static ContinuationBatch? OfThisThread => _ofThisThread;

    /// <summary>Whether this thread posts for a batch that will wake the reader at its end.</summary>
    internal static bool WakesLater(Mailbox mailbox) => _followed is { } handed && handed.IsQuiet(mailbox);

    /// <summary>From now on what ends on this thread is gathered here.</summary>
    internal void Attach() => _ofThisThread = this;

    /// <summary>From now on each goes to the pool by itself.</summary>
    internal void Detach()
    {
        HandOut(0);
        _ofThisThread = null;
        thread.End();
    }

    internal void Add(Completion completion) => _ended.Add(completion);

    /// <summary>Hands out what was gathered, and looks after what was handed out before.</summary>
    /// <param name="now">The time.</param>
    /// <param name="few">Whether few callers wait: for one alone a worker of the pool that still turns is quicker than a thread that sleeps.</param>
    /// <returns>When to be called again even if nothing ends.</returns>
    internal long HandOut(long now, bool few = false)
    {
        if (_ended.Count > 0)
        {
            var handed = new Handed(mailbox, [.. _ended]);
            _ended.Clear();
            if ((few && handed.IsAlone) || !thread.TryTake(handed))
                handed.Queue();
            _handed.Add(handed);
            _lookAt = Math.Min(_lookAt, now + LookAfter);
        }
        if (now >= _lookAt)
        {
            foreach (Handed handed in _handed)
                handed.LookAfter();
            _handed.RemoveAll(static handed => handed.IsBegun);
            _lookAt = _handed.Count == 0 ? ActorClock.Never : now + LookAfter;
        }
        return _lookAt;
    }

    private sealed class Handed(Mailbox mailbox, Completion[] completions) : IThreadPoolWorkItem
    {
        private int _next;
        private int _waiting; // begun by the pool when it has a thread
        private int _seen;
        private volatile bool _wasLookedAfter;

        // Not for ever: the one that runs may itself wait for what it has posted.
        internal bool IsQuiet(Mailbox postedTo) => postedTo == mailbox && !_wasLookedAfter;

        internal bool IsAlone => completions.Length == 1;

        /// <summary>Whether none of them waits for another any more.</summary>
        internal bool IsBegun => Volatile.Read(ref _next) >= completions.Length;

        internal void Queue()
        {
            Interlocked.Increment(ref _waiting);
            ThreadPool.UnsafeQueueUserWorkItem(new Help(this), preferLocal: false);
        }

        // One that still waits for a thread of a starved pool brings no help by being queued twice.
        internal void LookAfter()
        {
            _wasLookedAfter = true; // and the thread looks into its mailbox before it sleeps
            int next = Volatile.Read(ref _next);
            if (next < completions.Length && next == _seen && Volatile.Read(ref _waiting) == 0)
                Queue();
            _seen = next;
        }

        public void Execute()
        {
            long began = Stopwatch.GetTimestamp();
            bool helped = false;
            ExecutionContext? context = ExecutionContext.Capture(); // the pool's own; null only where its flow is suppressed
            while (Interlocked.Increment(ref _next) - 1 is var at && at < completions.Length)
            {
                bool followed = at + 1 < completions.Length;
                if (followed && !helped && Stopwatch.GetTimestamp() - began > HelpAfter)
                {
                    helped = true;
                    Queue();
                }
                _followed = followed && !helped ? this : null;
                completions[at].Execute();
                Clean(context);
            }
            _followed = null;
            mailbox.Rouse();
        }

        private sealed class Help(Handed handed) : IThreadPoolWorkItem
        {
            public void Execute()
            {
                Interlocked.Decrement(ref handed._waiting);
                handed.Execute();
            }
        }

        // As the pool does between its work items: what one leaves behind on the thread is not the next one's.
        private static void Clean(ExecutionContext? context)
        {
            if (context is not null)
                ExecutionContext.Restore(context);
            if (SynchronizationContext.Current is not null)
                SynchronizationContext.SetSynchronizationContext(null);
        }
    }
}
