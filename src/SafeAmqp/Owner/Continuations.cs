using System.Collections.Concurrent;
using System.Diagnostics;
using System.Threading.Channels;
using SafeAmqp.Actor;

namespace SafeAmqp.Owner;

/// <summary>Runs the continuations of operations that ended on one I/O thread, a batch at a time: on its
/// <see cref="ContinuationThread"/>, one after the other, with help from the thread pool when they take long.</summary>
/// <remarks>No continuation waits long for another one. If a batch computes for long, it asks the pool for help with
/// the rest; if a continuation blocks, the I/O thread does, as it checks on the batches that it handed out. Helpers
/// take from the same array, so that each continuation runs once and they start in order. What continuations post to
/// the I/O thread wakes it once, after the last of the batch, so that their messages leave together. The I/O thread
/// checks its mailbox by itself before that takes too long.</remarks>
internal sealed class ContinuationBatch(Mailbox mailbox, ContinuationThread thread)
{
    /// <summary>How long a batch may run on one thread before the rest is shared with another: many times the cost of
    /// waking a pool thread.</summary>
    private static readonly long HelpAfter = Stopwatch.Frequency / 500; // 2 ms

    /// <summary>How long a continuation may block before another thread goes on with the rest.</summary>
    internal static readonly long LookAfter = TimeSpan.FromMilliseconds(4).Ticks;

    [ThreadStatic]
    private static Handed? _followed; // set while a continuation runs that others of its batch wait behind

    private readonly List<Completion> _ended = [];
    private readonly List<Handed> _handed = [];
    private long _lookAt = ActorTime.Never;

    /// <summary>Whether this thread runs a batch that will wake the reader at its end.</summary>
    internal static bool WakesLater(Mailbox mailbox) => _followed is { } handed && handed.IsQuiet(mailbox);

    /// <summary>From now on, operations that end on this thread are collected here.</summary>
    internal void Attach() => Completion.CollectOnThisThread(_ended);

    /// <summary>From now on, each continuation goes to the pool.</summary>
    internal void Detach()
    {
        HandOut(0);
        Completion.CollectOnThisThread(null);
        thread.End();
    }

    /// <summary>Hands out what was collected, and checks on earlier batches.</summary>
    /// <param name="now">The time.</param>
    /// <param name="few">Whether few callers wait: for one alone a pool worker that still spins is quicker than a
    /// thread that sleeps.</param>
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
            _lookAt = _handed.Count == 0 ? ActorTime.Never : now + LookAfter;
        }
        return _lookAt;
    }

    private sealed class Handed(Mailbox mailbox, Completion[] completions) : IThreadPoolWorkItem
    {
        private int _next;
        private int _waiting; // queued to the pool and not started yet
        private int _seen = -1; // of those that had begun at the last look; it is given the time between two
        private volatile bool _wasLookedAfter;

        // Not for long: the running one may itself wait for what it has posted.
        internal bool IsQuiet(Mailbox postedTo) => postedTo == mailbox && !_wasLookedAfter;

        internal bool IsAlone => completions.Length == 1;

        /// <summary>Whether all of them have started.</summary>
        internal bool IsBegun => Volatile.Read(ref _next) >= completions.Length;

        internal void Queue()
        {
            Interlocked.Increment(ref _waiting);
            ThreadPool.UnsafeQueueUserWorkItem(static handed =>
            {
                Interlocked.Decrement(ref handed._waiting);
                handed.Execute();
            }, this, preferLocal: false);
        }

        // Queueing twice does not help on a starved pool.
        internal void LookAfter()
        {
            _wasLookedAfter = true; // the I/O thread checks its mailbox before it sleeps
            int next = Volatile.Read(ref _next);
            if (next < completions.Length && next == _seen && Volatile.Read(ref _waiting) == 0)
                Queue();
            _seen = next;
        }

        public void Execute()
        {
            long began = Stopwatch.GetTimestamp();
            bool helped = false;
            // The pool's own; null only where its flow is suppressed
            var context = ExecutionContext.Capture();
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
            mailbox.WakeIfAsleep();
        }

        // As the pool does between work items, so that one continuation leaves nothing behind for the next.
        private static void Clean(ExecutionContext? context)
        {
            if (context is not null)
                ExecutionContext.Restore(context);
            if (SynchronizationContext.Current is not null)
                SynchronizationContext.SetSynchronizationContext(null);
        }
    }
}

/// <summary>The companion of an I/O thread, which runs the continuations of operations that ended there, as long as
/// they are short. A pool worker that runs out of work spins and yields for a while. Under load that cost more
/// processor time than all the rest of a publish; this thread sleeps instead.</summary>
/// <remarks>Continuations may block: while one of them does, the rest goes to the pool (see
/// <see cref="ContinuationBatch"/>).</remarks>
internal sealed class ContinuationThread(string name)
{
    /// <summary>No new work is queued behind work that has taken this long.</summary>
    private static readonly long Lasting = Stopwatch.Frequency / 1000; // 1 ms

    private readonly ConcurrentQueue<IThreadPoolWorkItem> _work = new();
    private readonly AutoResetEvent _wake = new(false);
    private Thread? _thread;
    private long _busySince; // 0 while it is idle
    private volatile bool _ended;

    /// <summary>Takes work, from the I/O thread only.</summary>
    /// <returns>False when an earlier continuation takes long: the pool has to run it.</returns>
    internal bool TryTake(IThreadPoolWorkItem work)
    {
        long since = Volatile.Read(ref _busySince);
        if (since != 0 && Stopwatch.GetTimestamp() - since > Lasting)
            return false;
        if (_thread is null)
        {
            _thread = new Thread(Run) { Name = name, IsBackground = true };
            _thread.UnsafeStart();
        }
        _work.Enqueue(work);
        _wake.Set();
        return true;
    }

    /// <summary>Ends the thread once its work is done.</summary>
    internal void End()
    {
        _ended = true;
        _wake.Set();
    }

    private void Run()
    {
        while (true)
        {
            while (_work.TryDequeue(out IThreadPoolWorkItem? work))
            {
                Volatile.Write(ref _busySince, Stopwatch.GetTimestamp());
                work.Execute();
                Volatile.Write(ref _busySince, 0);
            }
            if (_ended)
                return;
            _wake.WaitOne();
        }
    }
}

/// <summary>The only way from our own threads to user code: onto the pool, where it may block, and without our
/// execution context, in which nothing is traced.</summary>
internal static class UserCode
{
#pragma warning disable RS0030 // banned elsewhere, so that every such place is seen here
    internal static Task RunAsync(Func<Task> code)
    {
        using (WithoutContext())
            return Task.Run(code);
    }

    internal static Task<T> RunAsync<T>(Func<ValueTask<T>> code)
    {
        using (WithoutContext())
            return Task.Run(() => code().AsTask());
    }
#pragma warning restore RS0030

    /// <summary>What is begun until this is undone keeps no context of its caller.</summary>
    internal static AsyncFlowControl? WithoutContext()
        => ExecutionContext.IsFlowSuppressed() ? null : ExecutionContext.SuppressFlow();
}

/// <summary>Tells user code of changes, in their order and one at a time, on the pool. While it is at one, a bounded
/// number waits; the oldest are left out.</summary>
/// <param name="tell">Runs user code, and keeps what it throws.</param>
internal sealed class Announcer<T>(Action<T> tell)
{
    internal const int MaxWaiting = 100;

    private readonly Channel<T> _waiting = Channel.CreateBounded<T>(
        new BoundedChannelOptions(MaxWaiting) { FullMode = BoundedChannelFullMode.DropOldest });
    private int _begun;

    /// <summary>May be called by I/O threads: it never waits for user code.</summary>
    internal void Announce(T change)
    {
        _waiting.Writer.TryWrite(change);
        if (Interlocked.Exchange(ref _begun, 1) == 0)
            UserCode.RunAsync(TellAllAsync).Forget();
    }

    private async Task TellAllAsync()
    {
        var context = ExecutionContext.Capture();
        await foreach (T change in _waiting.Reader.ReadAllAsync().ConfigureAwait(false))
        {
            tell(change);
            if (context is not null)
                ExecutionContext.Restore(context); // nothing that a handler left in its own is there for the next
        }
    }
}
