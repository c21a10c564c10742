using System.Collections.Concurrent;

namespace FederatedLearning.Dds;

/// <summary>A thread with its participant: it alone takes and writes; others post to it.</summary>
internal sealed class DdsLoop : IAsyncDisposable
{
    private readonly ConcurrentQueue<Action> _posted = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly DdsParticipant _participant;
    private readonly Func<TimeSpan> _turn;
    private readonly Thread _thread;
    private readonly Lock _lock = new();
    private bool _hasEnded;
    private volatile bool _stopping;

    /// <summary>Starts the thread.</summary>
    /// <param name="threadName">At most 15 characters, so that the system shows it whole.</param>
    /// <param name="settings">Of its participant.</param>
    /// <param name="open">Makes readers and writers.</param>
    /// <param name="turn">Does what there is to do, and says how long to wait for more.</param>
    /// <exception cref="DdsException">The library refuses.</exception>
    public DdsLoop(string threadName, DdsSettings settings, Action<DdsParticipant> open, Func<TimeSpan> turn)
    {
        (_participant, _turn) = (new DdsParticipant(settings), turn);
        try
        {
            open(_participant);
        }
        catch
        {
            _participant.Dispose();
            throw;
        }
        _thread = new Thread(Run) { IsBackground = true, Name = threadName };
        _thread.Start();
    }

    /// <summary>Ends with the loop; with its error, if it ended by one.</summary>
    public Task Ended => _ended.Task;

    /// <summary>Has the thread do something, from any thread. Once the loop has ended, nothing is done.</summary>
    public void Post(Action action)
    {
        _posted.Enqueue(action);
        lock (_lock)
        {
            if (!_hasEnded)
                _participant.Wake();
        }
    }

    /// <summary>Ends the loop; after this its thread is gone.</summary>
    public async ValueTask DisposeAsync()
    {
        _stopping = true;
        Post(() => { });
        await _ended.Task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _thread.Join();
    }

    private void Run()
    {
        Exception? fault = null;
        try
        {
            while (!_stopping)
            {
                while (_posted.TryDequeue(out var action))
                    action();
                _participant.Wait(_turn());
            }
        }
        catch (Exception error)
        {
            fault = error;
        }
        lock (_lock)
        {
            _hasEnded = true;
            try
            {
                _participant.Dispose();
            }
            catch (DdsException error)
            {
                fault ??= error;
            }
        }
        if (fault is null)
            _ended.TrySetResult();
        else
            _ended.TrySetException(fault);
    }
}
