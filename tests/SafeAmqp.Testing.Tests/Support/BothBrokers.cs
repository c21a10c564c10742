using LocalBroker;

[assembly: AssemblyFixture(typeof(BothBrokers))]
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace SafeAmqp.Testing.Tests.Support;

/// <summary>A real RabbitMQ of this run's own and the embedded broker, set up alike.</summary>
public sealed class BothBrokers : IAsyncLifetime
{
    private PrivateRabbitMqNode? _node;

    public AmqpTestBroker Embedded { get; private set; } = null!;

    /// <summary>The real one; ends the test as skipped at a desk and as failed on CI when there is none.</summary>
    public Uri RabbitMq => RabbitMqNode.Uri;

    /// <summary>As <see cref="RabbitMq"/>, for <c>rabbitmqctl</c>.</summary>
    public PrivateRabbitMqNode RabbitMqNode
    {
        get
        {
            if (_node is not null)
                return _node;
            const string Missing = "No RabbitMQ to compare with: install rabbitmq-server.";
            if (Environment.GetEnvironmentVariable("CI") is "true" or "1")
                Assert.Fail(Missing);
            Assert.Skip(Missing);
            throw new InvalidOperationException("unreachable");
        }
    }

    public async ValueTask InitializeAsync()
    {
        Embedded = await AmqpTestBroker.StartAsync();
        if (PrivateRabbitMqNode.IsInstalled)
            _node = await PrivateRabbitMqNode.StartAsync(new PrivateRabbitMqNodeOptions { Schedulers = 2 });
    }

    public async ValueTask DisposeAsync()
    {
        await Embedded.DisposeAsync();
        if (_node is not null)
            await _node.DisposeAsync();
    }
}
