using FederatedLearning.Messages;

namespace FederatedLearning.Protocol;

/// <summary>
/// A handler's own table from client id to the way to that client: a queue, a topic, a stream. From any thread.
/// </summary>
/// <typeparam name="TWay">The way, as the handler's protocol has it. Two ways are the same if they are one
/// object.</typeparam>
public sealed class ClientWays<TWay> where TWay : class
{
    /// <summary>More than the core ever takes, and few enough for a broker that has several queues for each.</summary>
    public const int Capacity = 1_000;

    private readonly Lock _lock = new();
    private readonly Dictionary<ClientId, TWay> _ways = [];
    private readonly HashSet<ClientId> _known = [];
    private long _returned;

    /// <summary>How many clients are in the table.</summary>
    public int Count
    {
        get { lock (_lock) return _ways.Count; }
    }

    /// <summary>How often a client that had been in the table before entered it again, or by another way.</summary>
    public long Returned => Volatile.Read(ref _returned);

    /// <summary>All clients in the table, as it is now.</summary>
    public IReadOnlyList<KeyValuePair<ClientId, TWay>> All
    {
        get { lock (_lock) return [.. _ways]; }
    }

    /// <summary>The way to a client; null for one that is not in the table.</summary>
    public TWay? Find(ClientId client)
    {
        lock (_lock) return _ways.GetValueOrDefault(client);
    }

    /// <summary>The clients that a message is for, of those in the table.</summary>
    public IReadOnlyList<KeyValuePair<ClientId, TWay>> RecipientsOf(OutgoingMessage message)
    {
        ArgumentNullException.ThrowIfNull(message);
        lock (_lock)
        {
            if (message.Recipient is not { } recipient) return [.. _ways];
            return _ways.TryGetValue(recipient, out var way) ? [KeyValuePair.Create(recipient, way)] : [];
        }
    }

    /// <summary>Sees to it that a client fits in, before anything is set up for it.</summary>
    /// <exception cref="MessageRefusedException">It does not.</exception>
    public void MakeSureOfRoomFor(ClientId client)
    {
        lock (_lock)
        {
            if (!_ways.ContainsKey(client) && _ways.Count >= Capacity)
                throw new MessageRefusedException($"the server knows {Capacity} clients and takes no more", client);
        }
    }

    /// <summary>Enters a client, or changes the way to it.</summary>
    /// <returns>The way that it had before, if that was another: to be closed.</returns>
    /// <exception cref="MessageRefusedException">There is no room for it.</exception>
    public TWay? Set(ClientId client, TWay way)
    {
        ArgumentNullException.ThrowIfNull(way);
        lock (_lock)
        {
            MakeSureOfRoomFor(client);
            var before = _ways.GetValueOrDefault(client);
            if (ReferenceEquals(before, way)) return null;
            _ways[client] = way;
            // Ids that come and go without end are not all remembered.
            if (_known.Contains(client)) _returned++;
            else if (_known.Count < 10 * Capacity) _known.Add(client);
            return before;
        }
    }

    /// <summary>Takes a client out.</summary>
    /// <returns>The way that it had: to be closed.</returns>
    public TWay? Remove(ClientId client)
    {
        lock (_lock) return _ways.Remove(client, out var way) ? way : null;
    }

    /// <summary>Takes a client out whose way has ended; not if it has meanwhile come back by another.</summary>
    /// <returns>Whether it was taken out, and so has left.</returns>
    public bool Remove(ClientId client, TWay way)
    {
        lock (_lock) return ReferenceEquals(_ways.GetValueOrDefault(client), way) && _ways.Remove(client);
    }

    /// <summary>Takes all clients out.</summary>
    /// <returns>Their ways: to be closed.</returns>
    public IReadOnlyList<KeyValuePair<ClientId, TWay>> Clear()
    {
        lock (_lock)
        {
            KeyValuePair<ClientId, TWay>[] all = [.. _ways];
            _ways.Clear();
            return all;
        }
    }
}
