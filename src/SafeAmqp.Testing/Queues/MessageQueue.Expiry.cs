using System.Globalization;

namespace SafeAmqp.Testing.Queues;

/// <summary>Time in a queue: messages that grow too old, and the queue that is not used.</summary>
internal sealed partial class MessageQueue
{
    /// <summary>A hundred years and more are no limit; sums with the clock cannot overflow below it.</summary>
    private const long Forever = 100L * 365 * 24 * 3600 * 1000;

    /// <summary>
    /// The queue was used: its time to live starts anew (x-expires). It does not run while the broker is down.
    /// </summary>
    public override void Touch()
    {
        _unusedTimer?.Cancel();
        _unusedTimer = null;
        if (Arguments.Expires is { } expires and < Forever && Consumers.Count == 0 && !IsDeleted
            && Host.Broker.IsRunning)
            _unusedTimer = Loop.Timers.After(expires, () => Delete());
    }

    /// <summary>
    /// Messages leave at the head only, as in RabbitMQ: one that expires behind a living one waits for its turn, behind
    /// one of higher priority, too.
    /// </summary>
    private void Expire()
    {
        if (_ttlDue == long.MaxValue && _ready.Next is null or { ExpiresAt: long.MaxValue })
            return;
        long now = Loop.Timers.Now;
        while (_ready.Next is { } next && next.ExpiresAt <= now)
            DeadLetter(_ready.Take(), "expired");
        ArmExpiry();
    }

    private void ArmExpiry()
    {
        long due = _ready.Next?.ExpiresAt ?? long.MaxValue;
        if (due == _ttlDue)
            return;
        _ttlTimer?.Cancel();
        _ttlDue = due;
        if (due != long.MaxValue)
            _ttlTimer = Loop.Timers.After(due - Loop.Timers.Now, () =>
            {
                _ttlDue = long.MaxValue;
                Expire();
            });
    }

    private long ExpiryOf(Message message)
    {
        long? ttl = Arguments.MessageTtl;
        if (message.Properties.Expiration is { } text
            && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long own))
            ttl = Math.Min(ttl ?? long.MaxValue, own);
        return ttl is { } milliseconds and < Forever ? Loop.Timers.Now + milliseconds : long.MaxValue;
    }
}
