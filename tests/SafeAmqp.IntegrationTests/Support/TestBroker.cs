using LocalBroker;

[assembly: AssemblyFixture(typeof(TestBroker))]
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace SafeAmqp.IntegrationTests.Support;

/// <summary>
/// The broker of the whole run. A URI in the environment wins; else a private node, as tests close connections, raise alarms and stop the broker;
/// else whatever can be found. A test that has no broker, or needs control that it has not, is skipped at a desk and fails on CI.
/// </summary>
public sealed class TestBroker : IAsyncLifetime
{
    private PrivateRabbitMqNode? _node;
    private RabbitMqBroker? _found;
    private string _missing = "";

    private static bool IsNamed => RabbitMqBroker.Variables.Any(name => !string.IsNullOrEmpty(Environment.GetEnvironmentVariable(name)));

    /// <summary>The node, for tests that control it.</summary>
    public PrivateRabbitMqNode Node => _node ?? _found?.Node ?? GiveUp<PrivateRabbitMqNode>($"This test controls its broker, which {_found?.Origin ?? "none"} does not allow: install rabbitmq-server and name no broker. {_missing}");

    public string Uri => (_node?.Uri ?? _found?.Uri)?.ToString() ?? GiveUp<string>(_missing);

    public async ValueTask InitializeAsync()
    {
        if (!IsNamed && PrivateRabbitMqNode.IsInstalled)
        {
            _node = await PrivateRabbitMqNode.StartAsync(new PrivateRabbitMqNodeOptions { Schedulers = 2 });
            return;
        }
        try
        {
            _found = await RabbitMqBroker.FindOrStartAsync();
        }
        catch (BrokerUnavailableException error) when (error.Variable is null) // one that was named and does not work fails everything
        {
            _missing = error.Message;
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_node is not null)
            await _node.DisposeAsync();
        if (_found is not null)
            await _found.DisposeAsync();
    }

    private static T GiveUp<T>(string why)
    {
        if (Environment.GetEnvironmentVariable("CI") is "true" or "1")
            Assert.Fail(why);
        Assert.Skip(why);
        throw new InvalidOperationException(why);
    }
}
