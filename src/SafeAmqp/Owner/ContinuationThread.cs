using System.Collections.Concurrent;
using System.Diagnostics;

namespace SafeAmqp.Owner;

/// <summary>
/// The companion of an I/O thread, which runs the continuations of operations that ended there, as long as they are
/// short. A pool worker that runs out of work spins and yields for a while. Under load that cost more processor time
/// than all the rest of a publish; this thread sleeps instead.
/// </summary>
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
