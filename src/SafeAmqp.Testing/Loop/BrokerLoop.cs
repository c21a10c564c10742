using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;

namespace SafeAmqp.Testing.Loop;

/// <summary>Something that the loop does in its turn.</summary>
internal interface ILoopWork
{
    /// <summary>
    /// Whether it waits while the broker is paused: everything but what the owner of the broker asks for.
    /// </summary>
    bool CanWait => true;

    void Run();
}

/// <summary>
/// The owner of everything in the broker: one piece of work after the other, on whatever pool thread is free, never on
/// two. It has no thread of its own, so an idle broker costs nothing and hundreds fit into one test run.
/// </summary>
internal sealed class BrokerLoop(TimeProvider time) : IThreadPoolWorkItem, IDisposable
{
    /// <summary>How much is done in one go before other work of the pool has its turn.</summary>
    private const int Batch = 128;

    private readonly ConcurrentQueue<ILoopWork> _work = new();
    private readonly Queue<Action> _later = new();
    private readonly Queue<ILoopWork> _held = new();
    private bool _isPaused;
    private int _scheduled;

    public LoopTimers Timers { get; private set; } = null!;

    public TimeProvider Time => time;

    /// <summary>Runs at the end of each batch: flushes what was written, looks at what waits for a condition.</summary>
    public Action BatchEnded { get; set; } = static () => { };

    /// <summary>A bug in the broker: it is reported to those that wait, and the loop goes on for the others.</summary>
    public Action<Exception> Crashed { get; set; } = static _ => { };

    public BrokerLoop WithTimers()
    {
        Timers = new LoopTimers(this);
        return this;
    }

    public void Post(ILoopWork work)
    {
        _work.Enqueue(work);
        Schedule();
    }

    public void Post(Action action) => Post(new ActionWork(action));

    /// <summary>
    /// As <see cref="Post(Action)"/>, for what the broker's owner wants done: also while the broker is paused.
    /// </summary>
    public void Command(Action action) => Post(new CommandWork(action));

    /// <summary>
    /// In the loop: from now on what comes from clients and timers is kept; or is done now, in the order in which it
    /// came.
    /// </summary>
    public void Pause(bool paused) => _isPaused = paused;

    /// <summary>
    /// In the loop: does something when the current step is complete, before the next frame is looked at.
    /// </summary>
    public void Later(Action action) => _later.Enqueue(action);

    public void RunLater()
    {
        while (_later.TryDequeue(out Action? action))
            action();
    }

    /// <summary>Runs a function in the loop and hands its result out.</summary>
    public Task<T> AskAsync<T>(Func<T> question)
    {
        var answer = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        Command(() =>
        {
            try
            {
                answer.SetResult(question());
            }
            catch (Exception error)
            {
                answer.SetException(error);
            }
        });
        return answer.Task;
    }

    public void Execute()
    {
        int done = 0;
        while (done++ < Batch && TryTake(out ILoopWork? work))
        {
            if (_isPaused && work.CanWait) _held.Enqueue(work);
            else Guarded(work);
        }
        Guarded(BatchEnded);
        bool more = !_isPaused && _held.Count > 0;
        // Visible before it looks once more: a caller that posts puts its work in before it looks at the flag.
        Interlocked.Exchange(ref _scheduled, 0);
        if (more || !_work.IsEmpty)
            Schedule();
    }

    private bool TryTake([MaybeNullWhen(false)] out ILoopWork work)
        => !_isPaused && _held.TryDequeue(out work) || _work.TryDequeue(out work);

    public void Dispose() => Timers.Dispose();

    private void Guarded(ILoopWork work)
    {
        try
        {
            work.Run();
            RunLater();
        }
        catch (Exception error)
        {
            Crashed(error);
        }
    }

    private void Guarded(Action action)
    {
        try
        {
            action();
        }
        catch (Exception error)
        {
            Crashed(error);
        }
    }

    private void Schedule()
    {
        if (Interlocked.Exchange(ref _scheduled, 1) == 0)
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    private sealed class ActionWork(Action action) : ILoopWork
    {
        public void Run() => action();
    }

    private sealed class CommandWork(Action action) : ILoopWork
    {
        public bool CanWait => false;

        public void Run() => action();
    }
}
