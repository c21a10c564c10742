using FederatedLearning.Messages;
using SafeAmqp;

namespace FederatedLearning.Amqp;

/// <summary>The handler's clients, and the way to each: by broadcast, or by queues of its own.</summary>
internal sealed class ClientTable
{
    /// <summary>More than the server ever takes, and few enough for the broker: each unified client has two consumers and nine queues.</summary>
    public const int Capacity = 1_000;

    private readonly Lock _lock = new();
    private readonly Dictionary<ClientId, Entry> _clients = [];

    private sealed record Entry(bool IsUnified, IReadOnlyList<AmqpSubscription> Consumers);

    /// <summary>Whether the client is served by queues of its own; null for one that is not in the table.</summary>
    public bool? IsUnified(ClientId client)
    {
        lock (_lock)
            return _clients.TryGetValue(client, out var entry) ? entry.IsUnified : null;
    }

    /// <summary>Who is served by queues of their own, and whether anybody is served by broadcast.</summary>
    public (ClientId[] Unified, bool AnyOnBroadcast) All()
    {
        lock (_lock)
            return ([.. _clients.Where(client => client.Value.IsUnified).Select(client => client.Key)], _clients.Values.Any(client => !client.IsUnified));
    }

    /// <summary>Sees to it that a client fits in, before anything is set up for it.</summary>
    /// <exception cref="MessageRefusedException">It does not.</exception>
    public void MakeSureOfRoomFor(ClientId client)
    {
        lock (_lock)
        {
            if (!_clients.ContainsKey(client) && _clients.Count >= Capacity)
                throw new MessageRefusedException($"the server knows {Capacity} clients and takes no more", client);
        }
    }

    /// <summary>Enters a client, or changes the way to it. What consumed for its old way is returned, to be stopped.</summary>
    public IReadOnlyList<AmqpSubscription> Set(ClientId client, bool isUnified, IReadOnlyList<AmqpSubscription> consumers)
    {
        lock (_lock)
        {
            var before = _clients.GetValueOrDefault(client)?.Consumers ?? [];
            _clients[client] = new Entry(isUnified, consumers);
            return before;
        }
    }

    /// <summary>Takes a client out. What consumed for it is returned, to be stopped.</summary>
    public IReadOnlyList<AmqpSubscription> Remove(ClientId client)
    {
        lock (_lock)
            return _clients.Remove(client, out var entry) ? entry.Consumers : [];
    }

    /// <summary>Everything that consumes.</summary>
    public IReadOnlyList<AmqpSubscription> Clear()
    {
        lock (_lock)
        {
            AmqpSubscription[] all = [.. _clients.Values.SelectMany(client => client.Consumers)];
            _clients.Clear();
            return all;
        }
    }
}
