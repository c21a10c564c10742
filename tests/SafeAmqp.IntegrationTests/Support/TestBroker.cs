using LocalBroker;

[assembly: AssemblyFixture(typeof(TestBroker))]
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace SafeAmqp.IntegrationTests.Support;

/// <summary>
/// The broker of the whole run: a private node, so that tests may close its connections, raise its alarms and stop it. Where none can be started,
/// tests that need one are skipped at a desk and fail on CI.
/// </summary>
public sealed class TestBroker : IAsyncLifetime
{
    private PrivateRabbitMqNode? _node;
    private string? _missing;

    /// <summary>The node; ends the test as skipped or failed when there is none.</summary>
    public PrivateRabbitMqNode Node
    {
        get
        {
            if (_node is not null)
                return _node;
            if (Environment.GetEnvironmentVariable("CI") is "true" or "1")
                Assert.Fail(_missing!);
            Assert.Skip(_missing!);
            throw new InvalidOperationException("unreachable");
        }
    }

    public string Uri => Node.Uri.ToString();

    public async ValueTask InitializeAsync()
    {
        if (!PrivateRabbitMqNode.IsInstalled)
        {
            _missing = "No RabbitMQ to test against: install rabbitmq-server.";
            return;
        }
        _node = await PrivateRabbitMqNode.StartAsync(new PrivateRabbitMqNodeOptions { Schedulers = 2 });
    }

    public async ValueTask DisposeAsync()
    {
        if (_node is not null)
            await _node.DisposeAsync();
    }
}
