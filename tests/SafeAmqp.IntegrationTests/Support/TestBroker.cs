using System.Text;
using LocalBroker;
using SafeAmqp.Testing;

[assembly: AssemblyFixture(typeof(TestBroker))]
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace SafeAmqp.IntegrationTests.Support;

/// <summary>
/// The broker of the whole run: the embedded one unless RabbitMQ is asked for (<see cref="ChosenBroker.Variable"/>). A
/// URI in the environment wins; else a private node, as tests close connections, raise alarms and stop the broker; else
/// whatever can be found. A test that has no broker, or needs control that it lacks, is skipped locally and fails
/// on CI. A broker that a URI names is not for tests to control: those are skipped on CI too.
/// </summary>
public sealed class TestBroker : IAsyncLifetime
{
    private const string DeadQueue = ".dead";

    private ControlledBroker? _controlled;
    private RabbitMqBroker? _found;
    private string _missing = "";

    private static bool IsNamed
        => RabbitMqBroker.Variables.Any(name => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(name)));

    /// <summary>The broker, for tests that control it.</summary>
    public ControlledBroker Node => _controlled
        ?? GiveUp<ControlledBroker>(_found is null ? _missing : $"This test controls its broker, not {_found.Origin}.");

    /// <summary>Skips a test that controls its broker where it may not, before anything of it is under way.</summary>
    public void NeedControl() => _ = Node;

    /// <summary>
    /// The RabbitMQ node, for tests that are <see cref="OnlyRabbitMqAttribute">only RabbitMQ's</see>.
    /// </summary>
    public PrivateRabbitMqNode RabbitMq => (Node as RabbitMqControl)?.Node
        ?? GiveUp<PrivateRabbitMqNode>($"This test is about RabbitMQ itself: set {ChosenBroker.Variable}=rabbitmq.");

    /// <summary>Whether this run is on the embedded broker; only for tests that show where it differs.</summary>
    public bool IsEmbedded => _controlled is EmbeddedControl;

    public string Uri => (_controlled?.Uri ?? _found?.Uri)?.ToString() ?? GiveUp<string>(_missing);

    /// <summary>Another broker of the same kind, for a test that needs it set up otherwise or gone.</summary>
    public async Task<ControlledBroker> StartAnotherAsync(
        TimeSpan? consumerTimeout = null, int memoryMegabytes = 1024, int? maxMessageSize = null)
    {
        if (IsEmbedded)
        {
            return new EmbeddedControl(await AmqpTestBroker.StartAsync(new AmqpTestBrokerOptions
            {
                ConsumerTimeout = consumerTimeout ?? TimeSpan.FromMinutes(30),
                MemoryLimit = memoryMegabytes * 1024L * 1024,
                MaxMessageSize = maxMessageSize ?? new AmqpTestBrokerOptions().MaxMessageSize,
            }));
        }
        if (!PrivateRabbitMqNode.IsInstalled)
            return GiveUp<ControlledBroker>("This test starts a node of its own: install rabbitmq-server.");
        return new RabbitMqControl(await PrivateRabbitMqNode.StartAsync(new PrivateRabbitMqNodeOptions
        {
            ConsumerTimeout = consumerTimeout,
            ChannelTickInterval = consumerTimeout is null ? null : TimeSpan.FromSeconds(1),
            MemoryLimitMegabytes = memoryMegabytes,
            MaxMessageSize = maxMessageSize,
        }), owned: true);
    }

    /// <summary>
    /// Takes the queues and exchanges of these names, and the dead queues beside them, away from a broker that outlives
    /// this run.
    /// </summary>
    public async Task RemoveAsync(IReadOnlyCollection<string> names)
    {
        if (_found is not { IsOwned: false } || names.Count == 0)
            return;
        await using Witness witness = await Witness.ConnectAsync(Uri, CancellationToken.None);
        foreach (string name in names)
        {
            await witness.RemoveAsync(name);
            if (Encoding.UTF8.GetByteCount(name) + DeadQueue.Length <= byte.MaxValue)
                await witness.RemoveAsync(name + DeadQueue);
        }
    }

    public async ValueTask InitializeAsync()
    {
        if (!ChosenBroker.IsRabbitMq)
        {
            _controlled = new EmbeddedControl(await AmqpTestBroker.StartAsync());
            return;
        }
        if (!IsNamed && PrivateRabbitMqNode.IsInstalled)
        {
            _controlled = new RabbitMqControl(
                await PrivateRabbitMqNode.StartAsync(new PrivateRabbitMqNodeOptions { Schedulers = 2 }), owned: true);
            return;
        }
        try
        {
            _found = await RabbitMqBroker.FindOrStartAsync();
            _controlled = _found.Node is { } node ? new RabbitMqControl(node, owned: false) : null;
        }
        // one that was named and does not work fails everything
        catch (BrokerUnavailableException error) when (error.Variable is null)
        {
            _missing = error.Message;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_controlled is not null)
            await _controlled.DisposeAsync();
        if (_found is not null)
            await _found.DisposeAsync();
    }

    private static T GiveUp<T>(string why)
    {
        if (!IsNamed && Environment.GetEnvironmentVariable("CI") is "true" or "1")
            Assert.Fail(why);
        Assert.Skip(why);
        throw new InvalidOperationException(why);
    }
}
