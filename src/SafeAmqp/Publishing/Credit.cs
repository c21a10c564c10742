using SafeAmqp.Actor;

namespace SafeAmqp.Publishing;

/// <summary>The bound of what may be pending, in messages and bytes, taken by callers before they post. First come,
/// first served: a newcomer never passes a waiter. A message larger than the whole credit is admitted alone.</summary>
/// <remarks>The fast path is two interlocked additions; the lock is taken only when the credit is used up. A waiter
/// posts when its turn comes, under the lock and before a newcomer may pass: its continuation would run on the pool,
/// where it races those of the next waiters.</remarks>
internal sealed class Credit(long maxMessages, long maxBytes)
{
    private readonly Lock _gate = new();
    private readonly LinkedList<Waiter> _waiters = [];
    private long _messages;
    private long _bytes;
    private int _waiting;
    private bool _closed;
    private bool _granting;

    internal long Messages => Volatile.Read(ref _messages);
    internal long Bytes => Volatile.Read(ref _bytes);
    internal int Waiting => Volatile.Read(ref _waiting);

    internal bool TryTake(int size)
    {
        if (Volatile.Read(ref _waiting) != 0)
            return false;
        return TryReserve(size);
    }

    /// <summary>Waits for a turn.</summary>
    /// <param name="size">The size of the body.</param>
    /// <param name="deadline">Until when.</param>
    /// <param name="granted">What to do when the turn comes: to post, which returns at once.</param>
    /// <returns>A waiter whose task ends with true when the credit was taken, with false when the deadline came first
    /// or the credit was closed.</returns>
    internal Waiter Wait(int size, long deadline, Action? granted = null)
    {
        var waiter = new Waiter(this, size, deadline, granted);
        lock (_gate)
        {
            if (_closed)
            {
                waiter.Completion.TryComplete(false);
                return waiter;
            }
            waiter.Node = _waiters.AddLast(waiter);
            Interlocked.Increment(ref _waiting);
            Grant(); // credit that was released before we queued was not granted to us
        }
        return waiter;
    }

    internal void Release(int size)
    {
        Interlocked.Add(ref _bytes, -size);
        Interlocked.Decrement(ref _messages);
        if (Volatile.Read(ref _waiting) == 0)
            return;
        lock (_gate)
            Grant();
    }

    /// <summary>Fails the waiters whose deadline has come.</summary>
    /// <returns>The earliest deadline that is left.</returns>
    internal long Expire(long now)
    {
        if (Volatile.Read(ref _waiting) == 0)
            return ActorTime.Never;
        long earliest = ActorTime.Never;
        lock (_gate)
        {
            for (var node = _waiters.First; node is not null;)
            {
                var next = node.Next;
                if (node.Value.Deadline <= now)
                    Leave(node.Value, granted: false);
                else
                    earliest = Math.Min(earliest, node.Value.Deadline);
                node = next;
            }
            Grant(); // one that was too large for its turn may have left
        }
        return earliest;
    }

    /// <summary>Fails all waiters and accepts no new ones.</summary>
    internal void Close()
    {
        lock (_gate)
        {
            _closed = true;
            while (_waiters.First is { } node)
                Leave(node.Value, granted: false);
        }
    }

    private bool TryReserve(int size)
    {
        long messages = Interlocked.Increment(ref _messages);
        long bytes = Interlocked.Add(ref _bytes, size);
        if (messages == 1 || (messages <= maxMessages && bytes <= maxBytes))
            return true;
        Interlocked.Add(ref _bytes, -size);
        Interlocked.Decrement(ref _messages);
        return false;
    }

    private void Grant()
    {
        if (_granting)
            return; // what was posted ended at once and gave its credit back: the loop below sees it
        _granting = true;
        while (_waiters.First is { } node && TryReserve(node.Value.Size))
            Leave(node.Value, granted: true);
        _granting = false;
    }

    private void Leave(Waiter waiter, bool granted)
    {
        _waiters.Remove(waiter.Node!);
        waiter.Node = null;
        if (granted)
            waiter.Granted?.Invoke();
        Interlocked.Decrement(ref _waiting);
        waiter.Completion.TryComplete(granted);
    }

    /// <summary>A caller in the queue.</summary>
    internal sealed class Waiter(Credit credit, int size, long deadline, Action? granted)
    {
        internal Action? Granted => granted;
        internal Completion<bool> Completion { get; } = new();
        internal int Size => size;
        internal long Deadline => deadline;
        internal LinkedListNode<Waiter>? Node { get; set; }

        /// <summary>Leaves the queue.</summary>
        /// <returns>False when the turn had come already.</returns>
        internal bool Withdraw()
        {
            lock (credit._gate)
            {
                if (Node is null)
                    return false;
                credit.Leave(this, granted: false);
                credit.Grant();
                return true;
            }
        }
    }
}
