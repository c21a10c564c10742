using System.Runtime.ExceptionServices;
using System.Threading.Tasks.Sources;

namespace SafeAmqp.Actor;

/// <summary>The only place that makes completions: a value-task source that ends once, however many try, and whose
/// continuation never runs on the I/O thread. Each source serves one await.</summary>
/// <remarks>It works as the framework's own source, except that operations which end on an I/O thread are collected,
/// and their continuations handed out as a batch. A pool work item for each would cost more than a publish.</remarks>
internal abstract class Completion : IThreadPoolWorkItem
{
    private static readonly Action<object?> None = static _ => { };

    [ThreadStatic]
    private static List<Completion>? _endedHere;

    private Action<object?>? _awaited; // the continuation once somebody awaits, None once the operation has ended
    private Action<object?>? _continuation;
    private object? _state;
    private object? _scheduler; // where the awaiting code wants to continue, if not on the pool
    private ExecutionContext? _context;
    private Exception? _error;
    private int _ended;
    private volatile bool _isSet;

    /// <summary>From now on, completions that end on this thread are added to a list instead of going to the pool; null
    /// ends that.</summary>
    internal static void CollectOnThisThread(List<Completion>? ended) => _endedHere = ended;

    internal bool HasEnded => Volatile.Read(ref _ended) != 0;

    /// <summary>Whether its continuation is known to keep its thread for long: it gets one of the pool.</summary>
    internal bool TakesLong { get; init; }

    internal bool TryFail(Exception error)
    {
        if (!TryEnd())
            return false;
        _error = error;
        Set();
        return true;
    }

    protected bool TryEnd() => Interlocked.Exchange(ref _ended, 1) == 0;

    protected void Set()
    {
        _isSet = true;
        if (Interlocked.Exchange(ref _awaited, None) is not null)
            Schedule();
    }

    protected void ThrowIfFailed()
    {
        if (!_isSet)
            throw new InvalidOperationException("The operation has not ended.");
        if (_error is not null)
            ExceptionDispatchInfo.Throw(_error);
    }

    public ValueTaskSourceStatus GetStatus(short token)
        => !_isSet ? ValueTaskSourceStatus.Pending
            : _error is null ? ValueTaskSourceStatus.Succeeded
            : _error is OperationCanceledException ? ValueTaskSourceStatus.Canceled
            : ValueTaskSourceStatus.Faulted;

    public void OnCompleted(Action<object?> continuation, object? state, short token,
        ValueTaskSourceOnCompletedFlags flags)
    {
        if ((flags & ValueTaskSourceOnCompletedFlags.FlowExecutionContext) != 0)
            _context = ExecutionContext.Capture();
        if ((flags & ValueTaskSourceOnCompletedFlags.UseSchedulingContext) != 0)
            _scheduler = SchedulingContext();
        (_continuation, _state) = (continuation, state);
        Action<object?>? before = Interlocked.CompareExchange(ref _awaited, continuation, null);
        if (before is null)
            return;
        if (before != None)
            throw new InvalidOperationException("The operation is awaited already.");
        Schedule(); // it has ended in the meantime
    }

    /// <summary>Runs the continuation: on the pool or its batch's thread, never on an I/O thread.</summary>
    public void Execute()
    {
        switch (_scheduler)
        {
            case SynchronizationContext context:
                context.Post(static completion => ((Completion)completion!).Continue(), this);
                break;
            case TaskScheduler scheduler:
                _ = Task.Factory.StartNew(static completion => ((Completion)completion!).Continue(), this,
                    CancellationToken.None, TaskCreationOptions.DenyChildAttach, scheduler);
                break;
            default:
                Continue();
                break;
        }
    }

    // Neither the awaiting code nor its context is kept: a completion may live as long as what it belongs to.
    private void Continue()
    {
        ExecutionContext? context = _context;
        (_context, _scheduler) = (null, null);
        if (context is null)
            Resume();
        else
            ExecutionContext.Run(context, static completion => ((Completion)completion!).Resume(), this);
    }

    private void Resume()
    {
        (Action<object?> continuation, object? state) = (_continuation!, _state);
        (_continuation, _state) = (null, null);
        continuation(state);
    }

    private void Schedule()
    {
        if (_endedHere is { } ended && !TakesLong)
            ended.Add(this);
        else
            ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    private static object? SchedulingContext()
    {
        if (SynchronizationContext.Current is { } context && context.GetType() != typeof(SynchronizationContext))
            return context;
        return TaskScheduler.Current != TaskScheduler.Default ? TaskScheduler.Current : null;
    }
}

/// <inheritdoc/>
internal sealed class Completion<T> : Completion, IValueTaskSource<T>, IValueTaskSource
{
    private T? _result;

    internal ValueTask<T> Task => new(this, 0);

    internal ValueTask Void => new(this, 0);

    internal bool TryComplete(T result)
    {
        if (!TryEnd())
            return false;
        _result = result;
        Set();
        return true;
    }

    T IValueTaskSource<T>.GetResult(short token)
    {
        ThrowIfFailed();
        return _result!;
    }

    void IValueTaskSource.GetResult(short token) => ThrowIfFailed();
}
