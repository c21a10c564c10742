[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)]

namespace LocalBroker.Tests;

/// <summary>One node for the tests that leave it as they found it; null where RabbitMQ is not installed.</summary>
public sealed class NodeFixture : IAsyncLifetime
{
    private PrivateRabbitMqNode? _node;

    public PrivateRabbitMqNode Node => _node ?? throw new InvalidOperationException("RabbitMQ is not installed.");

    /// <summary>Skips the test locally without RabbitMQ, fails it on CI.</summary>
    public static void RequireRabbitMq()
    {
        const string Reason = "RabbitMQ is not installed here (apt-get install rabbitmq-server).";
        if (PrivateRabbitMqNode.IsInstalled) return;
        Assert.False(Environment.GetEnvironmentVariable("CI") == "true", Reason);
        Assert.Skip(Reason);
    }

    public async ValueTask InitializeAsync()
    {
        if (PrivateRabbitMqNode.IsInstalled) _node = await PrivateRabbitMqNode.StartAsync();
    }

    public ValueTask DisposeAsync() => _node?.DisposeAsync() ?? ValueTask.CompletedTask;
}
