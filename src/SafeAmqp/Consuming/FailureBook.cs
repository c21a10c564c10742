namespace SafeAmqp.Consuming;

/// <summary>How long a message is held before it goes back to its queue: 50 ms at first, twice as long each further
/// time, at most 5 s, and up to half less, so that many do not come back at once. A classic queue gives a message no
/// identity, so it is known by what it holds; what has not come back for a minute is forgotten.</summary>
internal sealed class FailureBook(Func<double> random)
{
    private const int MaxKnown = 4096, Doublings = 7, HashedBytes = 4096;

    private static readonly TimeSpan First = TimeSpan.FromMilliseconds(50), Longest = TimeSpan.FromSeconds(5),
        Memory = TimeSpan.FromMinutes(1);

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
            if (since >= last) // otherwise it is another message of the same content, of the same round
                (times, at) = (since < Memory ? times + 1 : 1, now);
            int before = Math.Max(times - 1, delivery.PreviousAttempts);
            TimeSpan hold = First * Math.Pow(2, Math.Min(before, Doublings));
            hold = (hold < Longest ? hold : Longest) * (1 - (random() / 2));
            if (_known.Count >= MaxKnown && !_known.ContainsKey(key))
                _known.Clear();
            _known[key] = (times, since >= last ? hold : last, at);
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
