using FederatedLearning.Amqp;
using FederatedLearning.Tests.Support;
using LocalBroker;

[assembly: AssemblyFixture(typeof(Node))]
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)] // trainings, on a machine of two cores

namespace FederatedLearning.Tests.Support;

/// <summary>
/// The private node that all tests share, each in a virtual host of its own, so that every name is the real one.
/// Without RabbitMQ the tests are skipped locally and fail where CI=true.
/// </summary>
public sealed class Node : IAsyncLifetime
{
    private const string WhyNot =
        "RabbitMQ is not installed: these tests start a node of their own (apt-get install rabbitmq-server).";

    private PrivateRabbitMqNode? _node;

    public async ValueTask InitializeAsync()
    {
        if (PrivateRabbitMqNode.IsInstalled)
            _node = await PrivateRabbitMqNode.StartAsync(new PrivateRabbitMqNodeOptions
            {
                MemoryLimitMegabytes = 3072,
                MaxMessageSize = 128L << 20, // models are large
                Plugins = ["rabbitmq_mqtt"],
                ConfigurationLines = [string.Create(
                    System.Globalization.CultureInfo.InvariantCulture, $"mqtt.listeners.tcp.1 = 127.0.0.1:{MqttPort}")],
            });
        else if (Environment.GetEnvironmentVariable("CI") == "true")
            throw new InvalidOperationException(WhyNot);
    }

    /// <summary>Where the node speaks MQTT, for all virtual hosts but in the first.</summary>
    internal int MqttPort { get; } = FreePorts.Take(1)[0];

    internal PrivateRabbitMqNode Rabbit
    {
        get
        {
            Assert.SkipWhen(_node is null, WhyNot);
            return _node!;
        }
    }

    /// <summary>A new virtual host.</summary>
    public async Task<Place> NewPlaceAsync()
    {
        string name = $"fl-{Guid.NewGuid():N}";
        await Rabbit.AddVirtualHostAsync(name, TestContext.Current.CancellationToken);
        return new Place(Rabbit, name);
    }

    public ValueTask DisposeAsync() => _node?.DisposeAsync() ?? ValueTask.CompletedTask;
}

/// <summary>A virtual host that only one test uses.</summary>
public sealed class Place : IAsyncDisposable
{
    private readonly PrivateRabbitMqNode _node;
    private readonly string _name;

    internal Place(PrivateRabbitMqNode node, string name) => (_node, _name) = (node, name);

    internal PrivateRabbitMqNode Rabbit => _node;

    public string Uri => $"amqp://guest:guest@127.0.0.1:{_node.Port}/{_name}";

    public AmqpSettings Amqp => new() { Host = "127.0.0.1", Port = _node.Port, VirtualHost = _name };

    /// <summary>The settings of this place as programs read them.</summary>
    public Dictionary<string, string> Environment => new()
    {
        ["AMQP_HOST"] = "127.0.0.1",
        ["AMQP_PORT"] = _node.Port.ToString(System.Globalization.CultureInfo.InvariantCulture),
        ["AMQP_VHOST"] = _name,
    };

    /// <summary>Has the broker close one connection, as its operator can.</summary>
    public async Task KillConnectionAsync(string name)
    {
        BrokerConnection[] found = [];
        await Until.TrueAsync(async () =>
        {
            found = [.. (await _node.ListConnectionsAsync(TestContext.Current.CancellationToken))
                .Where(connection => connection.Name == name)];
            return found.Length == 1; // one that is killed already may be listed for a moment
        }, $"there is one connection {name}");
        await _node.CloseConnectionAsync(found[0].Pid, "killed by a test", TestContext.Current.CancellationToken);
    }

    // With all that is in it: the next test has the broker's memory for itself.
    public async ValueTask DisposeAsync() => await _node.DeleteVirtualHostAsync(_name);
}
