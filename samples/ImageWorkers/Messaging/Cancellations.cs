using System.Text;
using SafeAmqp;

namespace ImageWorkers.Messaging;

/// <summary>
/// Knows which requests no client waits for any more. The word may come while a request is worked on, which ends it, or
/// before the request itself, which then is not begun. Any thread, hence the lock.
/// </summary>
internal sealed class Cancellations(ILogger<Cancellations> log)
{
    // Words about requests that some other worker has, or that never come: the oldest are forgotten.
    private const int WordsKept = 1024;
    private const int IdBytes = 32;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, CancellationTokenSource> _running = [];
    private readonly HashSet<string> _unwanted = [];
    private readonly Queue<string> _order = new();

    /// <summary>Takes the server's word that no client waits for a request.</summary>
    public ValueTask<AmqpSettlement> HandleAsync(AmqpDelivery delivery, CancellationToken lost)
    {
        if (delivery.Body.Length == IdBytes)
            Cancel(Encoding.ASCII.GetString(delivery.Body.Span));
        return ValueTask.FromResult(AmqpSettlement.Ack);
    }

    /// <summary>Runs the work of a request, until it is done or unwanted.</summary>
    /// <exception cref="OperationCanceledException">No client waits for it any more.</exception>
    public async ValueTask<T> RunAsync<T>(
        AmqpDelivery request, Func<CancellationToken, ValueTask<T>> work, CancellationToken abandoned)
    {
        using var unwanted = CancellationTokenSource.CreateLinkedTokenSource(abandoned);
        string id = request.Message.MessageId ?? Guid.NewGuid().ToString("N"); // of a server that cannot cancel
        lock (_lock)
        {
            if (_unwanted.Contains(id))
            {
                log.NotBegun(id);
                throw new OperationCanceledException();
            }

            _running[id] = unwanted;
        }

        try
        {
            return await work(unwanted.Token);
        }
        catch (OperationCanceledException)
        {
            log.Stopped(id);
            throw;
        }
        finally
        {
            lock (_lock)
                _running.Remove(id);
        }
    }

    private void Cancel(string id)
    {
        CancellationTokenSource? running;
        lock (_lock)
        {
            _running.Remove(id, out running);
            if (_unwanted.Add(id))
                _order.Enqueue(id);
            if (_order.Count > WordsKept)
                _unwanted.Remove(_order.Dequeue());
        }

        try
        {
            running?.Cancel(); // outside the lock, for it runs the code that listens
        }
        catch (ObjectDisposedException)
        {
            // The work has just ended by itself.
        }
    }
}
