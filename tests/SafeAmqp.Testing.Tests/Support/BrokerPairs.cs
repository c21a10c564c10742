using LocalBroker;

[assembly: AssemblyFixture(typeof(BrokerPairs))]
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace SafeAmqp.Testing.Tests.Support;

/// <summary>A private node of one version of RabbitMQ, and the embedded broker that behaves as that version.</summary>
public sealed record BrokerPair(PrivateRabbitMqNode RabbitMqNode, AmqpTestBroker Embedded)
{
    public Uri RabbitMq => RabbitMqNode.Uri;
}

/// <summary>
/// A pair for each version that is compared: the RabbitMQ of the folder that the environment names, and the one that is
/// installed on this machine.
/// </summary>
public sealed class BrokerPairs : IAsyncLifetime
{
    private readonly Dictionary<RabbitMqVersion, PrivateRabbitMqNode> _nodes = [];
    private readonly Dictionary<RabbitMqVersion, AmqpTestBroker> _embedded = [];

    /// <summary>The newest version that is here, for what need not be compared with each.</summary>
    public BrokerPair Newest => Of(NewestVersion);

    /// <summary>The embedded broker of <see cref="Newest"/>; there without any RabbitMQ, too.</summary>
    public AmqpTestBroker Embedded => _embedded[NewestVersion];

    private RabbitMqVersion NewestVersion => _nodes.Count > 0 ? _nodes.Keys.Max() : RabbitMqVersion.RabbitMq40;

    /// <summary>
    /// The pair of a version; ends the test as skipped locally and as failed on CI when that RabbitMQ is not here.
    /// </summary>
    public BrokerPair Of(RabbitMqVersion version)
    {
        if (_nodes.TryGetValue(version, out PrivateRabbitMqNode? node))
            return new BrokerPair(node, _embedded[version]);
        string missing = $"No {version} to compare with: install rabbitmq-server, "
            + $"or name the root of a system that has it in {PrivateRabbitMqNodeOptions.RootVariable}.";
        if (Environment.GetEnvironmentVariable("CI") is "true" or "1")
            Assert.Fail(missing);
        Assert.Skip(missing);
        throw new InvalidOperationException("unreachable");
    }

    public async ValueTask InitializeAsync()
    {
        foreach (RabbitMqVersion version in Enum.GetValues<RabbitMqVersion>())
            _embedded[version] = await AmqpTestBroker.StartAsync(new AmqpTestBrokerOptions { Version = version });
        if (PrivateRabbitMqNode.IsInstalled)
            await AddAsync(root: null);
        string? named = Environment.GetEnvironmentVariable(PrivateRabbitMqNodeOptions.RootVariable);
        if (named is { Length: > 0 } and not "/" && PrivateRabbitMqNode.IsInstalledIn("/"))
            await AddAsync("/");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (AmqpTestBroker broker in _embedded.Values)
            await broker.DisposeAsync();
        foreach (PrivateRabbitMqNode node in _nodes.Values)
            await node.DisposeAsync();
    }

    private async Task AddAsync(string? root)
    {
        PrivateRabbitMqNode node = await PrivateRabbitMqNode.StartAsync(
            new PrivateRabbitMqNodeOptions { Root = root, Schedulers = 2 });
        RabbitMqVersion version = node.Version.Major >= 4 ? RabbitMqVersion.RabbitMq40 : RabbitMqVersion.RabbitMq310;
        if (!_nodes.TryAdd(version, node))
            await node.DisposeAsync();
    }
}
