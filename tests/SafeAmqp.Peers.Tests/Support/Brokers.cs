using LocalBroker;
using SafeAmqp.Testing;

[assembly: AssemblyFixture(typeof(Brokers))]
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace SafeAmqp.Peers.Tests.Support;

/// <summary>The brokers over which peers and the library meet.</summary>
public enum BrokerKind
{
    /// <summary>RabbitMQ 4.0, from the folder that the environment names.</summary>
    RabbitMq40,

    /// <summary>RabbitMQ 3.10, as installed.</summary>
    RabbitMq310,

    /// <summary>The embedded broker.</summary>
    Embedded,
}

/// <summary>The brokers of the run, and on each the peers that have been started.</summary>
public sealed class Brokers : IAsyncLifetime
{
    private readonly Dictionary<BrokerKind, PrivateRabbitMqNode> _nodes = [];
    private readonly Dictionary<(BrokerKind, string), Peer> _peers = [];
    private AmqpTestBroker _embedded = null!;

    /// <summary>
    /// Where a broker is, its virtual host written out: to some peers a lone slash is the empty name.
    /// </summary>
    public string UriOf(BrokerKind kind)
    {
        if (kind == BrokerKind.Embedded)
            return _embedded.Uri.ToString();
        Repository.Need(_nodes.TryGetValue(kind, out PrivateRabbitMqNode? node), $"No {kind}: install rabbitmq-server, "
            + $"and name the root of a system with RabbitMQ 4 in {PrivateRabbitMqNodeOptions.RootVariable}.");
        return $"amqp://{node!.Uri.UserInfo}@{node.Uri.Host}:{node.Port}/%2F";
    }

    /// <summary>The peer of that name on that broker, which lives as long as the run.</summary>
    public async Task<Peer> PeerAsync(BrokerKind kind, string name)
    {
        if (!_peers.TryGetValue((kind, name), out Peer? peer))
            _peers[(kind, name)] = peer = await Peer.StartAsync(name, UriOf(kind));
        return peer;
    }

    public async ValueTask InitializeAsync()
    {
        _embedded = await AmqpTestBroker.StartAsync();
        if (PrivateRabbitMqNode.IsInstalled)
            await AddAsync(root: null);
        if (Environment.GetEnvironmentVariable(PrivateRabbitMqNodeOptions.RootVariable) is { Length: > 0 } and not "/"
            && PrivateRabbitMqNode.IsInstalledIn("/"))
        {
            await AddAsync("/");
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (Peer peer in _peers.Values)
            await peer.DisposeAsync();
        foreach (PrivateRabbitMqNode node in _nodes.Values)
            await node.DisposeAsync();
        await _embedded.DisposeAsync();
    }

    private async Task AddAsync(string? root)
    {
        PrivateRabbitMqNode node = await PrivateRabbitMqNode.StartAsync(
            new PrivateRabbitMqNodeOptions { Root = root, Schedulers = 2 });
        if (!_nodes.TryAdd(node.Version.Major >= 4 ? BrokerKind.RabbitMq40 : BrokerKind.RabbitMq310, node))
            await node.DisposeAsync();
    }
}
