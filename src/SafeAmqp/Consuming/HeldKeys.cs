namespace SafeAmqp.Consuming;

/// <summary>The keys of one worker whose deliveries wait for one that is held, in their order. The worker uses it, and
/// whoever stops the pump.</summary>
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
