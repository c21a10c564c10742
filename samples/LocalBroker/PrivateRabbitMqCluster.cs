namespace LocalBroker;

/// <summary>
/// Several <see cref="PrivateRabbitMqNode"/>s of this process in one cluster. They share an epmd and a cookie that
/// no other cluster has; each can be killed, stopped, frozen and started again alone.
/// </summary>
public sealed class PrivateRabbitMqCluster : IAsyncDisposable
{
    private PrivateRabbitMqCluster(IReadOnlyList<PrivateRabbitMqNode> nodes) => Nodes = nodes;

    /// <summary>The nodes. The first runs the epmd of all.</summary>
    public IReadOnlyList<PrivateRabbitMqNode> Nodes { get; }

    /// <summary>Starts the nodes and joins them; about 15 seconds for three.</summary>
    /// <exception cref="BrokerUnavailableException">RabbitMQ is not installed.</exception>
    /// <exception cref="PrivateRabbitMqNodeException">A node did not start or join; carries the end of its
    /// logs.</exception>
    public static async Task<PrivateRabbitMqCluster> StartAsync(
        int count, PrivateRabbitMqNodeOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        var first = await PrivateRabbitMqNode.StartAsync(options, cancellationToken);
        var others = Enumerable.Range(1, count - 1)
            .Select(_ => PrivateRabbitMqNode.StartAsync(options, first, cancellationToken)).ToList();
        try
        {
            var cluster = new PrivateRabbitMqCluster([first, .. await Task.WhenAll(others)]);
            // One after the other: two that join at once can lock each other's tables.
            foreach (var node in cluster.Nodes.Skip(1)) await JoinAsync(node, first, cancellationToken);
            return cluster;
        }
        catch
        {
            foreach (var other in others.Where(other => other.IsCompletedSuccessfully))
                await other.Result.DisposeAsync();
            await first.DisposeAsync();
            throw;
        }
    }

    /// <summary>Shuts all nodes down and deletes everything they left; the one that runs the epmd last.</summary>
    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(Nodes.Skip(1).Select(node => node.DisposeAsync().AsTask()));
        await Nodes[0].DisposeAsync();
    }

    private static async Task JoinAsync(
        PrivateRabbitMqNode node, PrivateRabbitMqNode first, CancellationToken cancellationToken)
    {
        await node.StopAppAsync(cancellationToken);
        await node.RabbitMqCtlAsync(["join_cluster", first.Name], cancellationToken);
        await node.StartAppAsync(cancellationToken);
    }
}
