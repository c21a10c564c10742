using System.Threading.Tasks.Sources;

namespace SafeAmqp.Actor;

/// <summary>
/// The only place that makes completions: a value-task source that ends once, whoever tries, and always runs continuations on the
/// thread pool, so that user code never runs on the I/O thread. Each source serves one await.
/// </summary>
internal sealed class Completion<T> : IValueTaskSource<T>, IValueTaskSource
{
    private ManualResetValueTaskSourceCore<T> _core = new() { RunContinuationsAsynchronously = true };
    private int _ended;

    internal ValueTask<T> Task => new(this, _core.Version);

    internal ValueTask Void => new(this, _core.Version);

    internal bool HasEnded => Volatile.Read(ref _ended) != 0;

    internal bool TryComplete(T result)
    {
        if (Interlocked.Exchange(ref _ended, 1) != 0)
            return false;
        _core.SetResult(result);
        return true;
    }

    internal bool TryFail(Exception error)
    {
        if (Interlocked.Exchange(ref _ended, 1) != 0)
            return false;
        _core.SetException(error);
        return true;
    }

    T IValueTaskSource<T>.GetResult(short token) => _core.GetResult(token);

    void IValueTaskSource.GetResult(short token) => _core.GetResult(token);

    public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

    public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags)
        => _core.OnCompleted(continuation, state, token, flags);
}
