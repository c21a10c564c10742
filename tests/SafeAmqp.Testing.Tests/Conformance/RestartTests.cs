using LocalBroker;

namespace SafeAmqp.Testing.Tests.Conformance;

/// <summary>What is there after a restart, in good order or not.</summary>
public sealed class RestartTests(BrokerPairs brokers)
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(true, RabbitMqVersion.RabbitMq40)]
    [InlineData(true, RabbitMqVersion.RabbitMq310)]
    [InlineData(false, RabbitMqVersion.RabbitMq40)]
    [InlineData(false, RabbitMqVersion.RabbitMq310)]
    public async Task Both_come_back_with_the_same(bool kill, RabbitMqVersion version)
    {
        BrokerPair pair = brokers.Of(version);
        PrivateRabbitMqNode node = pair.RabbitMqNode;
        AmqpTestBroker embedded = pair.Embedded;
        IReadOnlyList<string> expected = await PlayAsync(
            pair.RabbitMq, () => kill ? KillAsync(node) : node.StopAsync(Cancelled),
            () => node.StartAgainAsync(Cancelled));
        IReadOnlyList<string> observed = await PlayAsync(
            embedded.Uri, () => kill ? embedded.KillAsync(Cancelled) : embedded.StopAsync(Cancelled),
            () => embedded.StartAgainAsync(Cancelled));
        Assert.True(
            expected.SequenceEqual(observed),
            $"RabbitMQ:\n{string.Join('\n', expected)}\nEmbedded:\n{string.Join('\n', observed)}");
    }

    /// <summary>What was declared a moment ago is not on its disk yet.</summary>
    private static async Task KillAsync(PrivateRabbitMqNode node)
    {
        await node.EvaluateAsync("ok = mnesia:sync_log(), []", Cancelled);
        await node.KillAsync(Cancelled);
    }

    private static async Task<IReadOnlyList<string>> PlayAsync(Uri uri, Func<Task> end, Func<Task> start)
    {
        await using var stage = new Stage(uri);
        await stage.OpenAsync();
        string used = stage.Name("used");
        await stage.Channel.QueueDeclareAsync(
            used, durable: true, exclusive: false, autoDelete: true, cancellationToken: Cancelled);
        await stage.ConsumeAsync(used);
        await stage.DeclareAsync(durable: true);
        await stage.PublishAsync("", stage.Q, "was out", p => p.Persistent = true);
        await stage.Channel.BasicGetAsync(stage.Q, autoAck: false, Cancelled);
        await stage.PublishAsync("", stage.Q, "waited", p => p.Persistent = true);
        await stage.PublishAsync("", stage.Q, "not persistent");
        await end();
        await start();
        await stage.OpenAsync();
        await stage.DrainAsync();
        await stage.TryAsync(c => c.QueueDeclarePassiveAsync(used, Cancelled));
        await stage.Channel.QueueDeleteAsync(used, cancellationToken: Cancelled);
        return stage.Notes;
    }
}
