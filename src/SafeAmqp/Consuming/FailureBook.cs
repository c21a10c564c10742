using SafeAmqp.Actor;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Consuming;

/// <summary>How long a message is held before it goes back to its queue: 50 ms at first, twice as long each further
/// time, at most 5 s, and up to half less, so that many do not come back at once. A classic queue gives a message no
/// identity, so it is known by what it holds; what has not come back for a minute is forgotten.</summary>
internal sealed class FailureBook(Func<double> random)
{
    private const int MaxKnown = 4096, Doublings = 7, HashedBytes = 4096;

    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(50), Longest = TimeSpan.FromSeconds(5),
        Memory = TimeSpan.FromMinutes(1);

    /// <summary>How much sooner than asked a timer may end: .NET's follow a clock that moves in steps, of 4 ms on Linux
    /// and 15.6 ms on Windows. Of a short hold a quarter at most: messages of the same content are told apart by time
    /// alone.</summary>
    private static readonly TimeSpan Grain = TimeSpan.FromMilliseconds(16);

    private readonly Lock _gate = new();
    private readonly Dictionary<int, (int Times, TimeSpan Hold, long At)> _known = [];
    private volatile bool _isEmpty = true;

    internal TimeSpan NextHold(AmqpDelivery delivery, TimeProvider time)
    {
        int key = Key(delivery.Message);
        long now = time.GetTimestamp();
        lock (_gate)
        {
            var (times, last, at) = _known.GetValueOrDefault(key);
            TimeSpan since = times == 0 ? Memory : time.GetElapsedTime(at, now);
            TimeSpan early = last / 4 < Grain ? last / 4 : Grain;
            bool isNext = since >= last - early; // otherwise another message of the same content, of the same round
            if (isNext)
                (times, at) = (since < Memory ? times + 1 : 1, now);
            int before = Math.Max(times - 1, delivery.PreviousAttempts);
            TimeSpan hold = First * Math.Pow(2, Math.Min(before, Doublings));
            hold = (hold < Longest ? hold : Longest) * (1 - (random() / 2));
            if (_known.Count >= MaxKnown && !_known.ContainsKey(key))
                _known.Clear();
            _known[key] = (times, isNext ? hold : last, at);
            _isEmpty = false;
            return hold;
        }
    }

    /// <summary>It is not going back.</summary>
    internal void Forget(AmqpDelivery delivery)
    {
        if (_isEmpty || !delivery.IsRedelivered)
            return;
        lock (_gate)
        {
            _known.Remove(Key(delivery.Message));
            _isEmpty = _known.Count == 0;
        }
    }

    private static int Key(AmqpMessage message)
    {
        var hash = new HashCode();
        hash.Add(message.Exchange);
        hash.Add(message.RoutingKey);
        hash.Add(message.MessageId);
        hash.Add(message.CorrelationId);
        hash.Add(message.Timestamp);
        hash.Add(message.Body.Length);
        hash.AddBytes(message.Body.Span[..Math.Min(message.Body.Length, HashedBytes)]);
        return hash.ToHashCode();
    }
}

/// <summary>Tells of messages that leave their queue without having been handled, so that none vanishes in silence: in
/// the log, in a metric, in words for the consumer's status.</summary>
/// <param name="events">Where they are reported.</param>
/// <param name="observer">Counts them.</param>
/// <param name="queueNamed">How this client declared a queue; null when it did not.</param>
internal sealed class Rejections(ClientEvents events, ClientObserver observer, Func<string, AmqpQueue?> queueNamed)
{
    internal static string ReasonOf(AmqpDelivery delivery)
        => delivery.Flaw is { } flaw ? $"it cannot be read: {flaw.Reason}"
            : delivery.RejectedOver ?? "it was rejected by what handled it";

    /// <returns>What became of it, and why.</returns>
    internal string Report(AmqpDelivery delivery)
    {
        string reason = ReasonOf(delivery);
        string kind = delivery.Flaw is not null || delivery.Fault is AmqpUnreadableException ? "unreadable"
            : delivery.RejectedOver is not null ? "failed" : "rejected";
        string? exchange = queueNamed(delivery.Queue)?.Argument("x-dead-letter-exchange") as string;
        var (fate, told) = delivery.MovedTo is { } dead ? ("dead_lettered", $"moved to queue '{dead}'")
            : delivery.IsOfStream ? ("passed_over", "passed over")
            : exchange is not null && !delivery.IsGone ? ("dead_lettered", $"dead-lettered to exchange '{exchange}'")
            : ("discarded", "discarded");
        observer.Rejected(delivery, kind, fate);
        events.Rejected(delivery, kind, told, reason);
        string? id = ClientEvents.IdOf(delivery);
        return $"delivery {delivery.DeliveryTag}{(id is null ? "" : $" (message id {id})")} was {told}: {reason}";
    }
}

/// <summary>The keys of one worker whose deliveries wait for one that is held, in their order. The worker uses it, and
/// what stops the pump.</summary>
internal sealed class HeldKeys
{
    private readonly Lock _gate = new();
    private readonly Dictionary<(string?, int), (AmqpDelivery Held, Queue<AmqpDelivery> Waiting)> _keys = [];
    private volatile bool _isEmpty = true;

    /// <summary>Those of its key wait for it from now on.</summary>
    internal void Hold(AmqpDelivery delivery)
    {
        lock (_gate)
        {
            _keys[KeyOf(delivery)] = _keys.TryGetValue(KeyOf(delivery), out var waiting)
                ? (delivery, waiting.Waiting) : (delivery, []);
            _isEmpty = false;
        }
    }

    /// <summary>Whether a delivery waits for another of its key.</summary>
    internal bool Waits(AmqpDelivery delivery)
    {
        if (_isEmpty || delivery.Lane is null)
            return false;
        lock (_gate)
        {
            if (!_keys.TryGetValue(KeyOf(delivery), out var key) || key.Held == delivery)
                return false;
            key.Waiting.Enqueue(delivery);
            return true;
        }
    }

    /// <summary>The next of a key, once the one before is done with; null when there is none.</summary>
    internal AmqpDelivery? Next(AmqpDelivery done)
    {
        if (_isEmpty || done.Lane is null)
            return null;
        lock (_gate)
        {
            if (!_keys.TryGetValue(KeyOf(done), out var key))
                return null;
            if (key.Waiting.TryDequeue(out AmqpDelivery? next))
                return next;
            _keys.Remove(KeyOf(done));
            _isEmpty = _keys.Count == 0;
            return null;
        }
    }

    internal void GiveBack()
    {
        lock (_gate)
        {
            foreach (var (_, waiting) in _keys.Values)
            {
                while (waiting.TryDequeue(out AmqpDelivery? delivery))
                    delivery.GiveBack();
            }
        }
    }

    private static (string?, int) KeyOf(AmqpDelivery delivery) => (delivery.Key, delivery.Lane!.Value);
}

/// <summary>Deliveries that wait for a worker, in their order. A worker that waits for them resumes with the callers
/// whose operations ended in the same batch of the I/O thread (<see cref="Completion"/>): a pool worker for each would
/// cost more than the handler.</summary>
internal sealed class DeliveryInbox
{
    private readonly Lock _gate = new();
    private readonly Queue<AmqpDelivery> _deliveries = [];
    private readonly Queue<Completion<bool>> _workers = [];
    private bool _isClosed;

    /// <summary>Adds a delivery and resumes a worker, if one waits.</summary>
    /// <returns>False when it is closed: the delivery is not taken.</returns>
    internal bool TryPut(AmqpDelivery delivery)
    {
        Completion<bool>? worker;
        lock (_gate)
        {
            if (_isClosed)
                return false;
            _deliveries.Enqueue(delivery);
            _workers.TryDequeue(out worker);
        }
        worker?.TryComplete(true);
        return true;
    }

    /// <summary>Waits for a delivery.</summary>
    /// <param name="takesLong">Whether the worker is known to keep its thread for long.</param>
    /// <returns>Null when it is closed and empty.</returns>
    internal async ValueTask<AmqpDelivery?> NextAsync(bool takesLong)
    {
        while (true)
        {
            Completion<bool> turn;
            lock (_gate)
            {
                if (_deliveries.TryDequeue(out AmqpDelivery? delivery) || _isClosed)
                    return delivery;
                turn = new Completion<bool> { TakesLong = takesLong };
                _workers.Enqueue(turn);
            }
            await turn.Task.ConfigureAwait(false);
        }
    }

    /// <summary>Takes no more. Workers end once it is empty.</summary>
    internal void Close()
    {
        Completion<bool>[] workers;
        lock (_gate)
        {
            _isClosed = true;
            workers = [.. _workers];
            _workers.Clear();
        }
        foreach (Completion<bool> worker in workers)
            worker.TryComplete(true);
    }

    internal void GiveBack()
    {
        while (TryTake() is { } delivery)
            delivery.GiveBack();
    }

    private AmqpDelivery? TryTake()
    {
        lock (_gate)
            return _deliveries.TryDequeue(out AmqpDelivery? delivery) ? delivery : null;
    }
}
