using FederatedLearning.Messages;

namespace FederatedLearning.Rounds;

/// <summary>The clients of a training, across all protocols.</summary>
internal sealed class ClientTable
{
    private readonly SortedDictionary<ClientId, Client> _clients = new(ClientId.ByText);

    /// <summary>How many there are.</summary>
    public int Count => _clients.Count;

    /// <summary>All, by id: what depends on their order does not depend on which came first.</summary>
    public IEnumerable<Client> All => _clients.Values;

    /// <summary>A client that is in the table.</summary>
    public Client? Find(ClientId id) => _clients.GetValueOrDefault(id);

    /// <summary>Puts a client in.</summary>
    public Client Add(ClientId id, int handler)
    {
        var client = new Client(id) { Handler = handler };
        _clients.Add(id, client);
        return client;
    }

    /// <summary>Takes a client out.</summary>
    public void Remove(Client client) => _clients.Remove(client.Id);
}

/// <summary>One client.</summary>
internal sealed class Client(ClientId id)
{
    /// <summary>Its id, across all protocols.</summary>
    public ClientId Id { get; } = id;

    /// <summary>The number of the handler that it registered over last: the way to it.</summary>
    public int Handler { get; set; }

    /// <summary>It let a deadline pass and was not heard of since.</summary>
    public bool IsSilent { get; set; }

    /// <summary>What it last said of its own training.</summary>
    public bool HasConverged { get; set; }

    /// <summary>The last round that it gave an update to.</summary>
    public int LastRound { get; set; }

    /// <summary>How many samples that update was trained on.</summary>
    public int Samples { get; set; }
}
