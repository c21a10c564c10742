namespace SafeAmqp.Testing.Tests.Faults;

/// <summary>What cannot be a pattern of permissions is told to the caller who gave it.</summary>
public sealed class PatternTests
{
    [Fact]
    public async Task A_pattern_that_is_no_regular_expression_is_refused_by_name()
    {
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(
            cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(["configure", "write", "read", "write", "read"],
        [
            Refused(() => broker.SetPermissions("guest", configure: "(")),
            Refused(() => broker.SetPermissions("guest", write: "(")),
            Refused(() => broker.SetPermissions("guest", read: "(")),
            Refused(() => broker.SetTopicPermissions("guest", "amq.topic", write: "(")),
            Refused(() => broker.SetTopicPermissions("guest", "amq.topic", read: "(")),
        ]);
        using RawClient unharmed = await RawClient.OpenAsync(broker.Uri);
        await broker.WaitUntilAsync(
            view => view.Connections.Count == 1, cancellationToken: TestContext.Current.CancellationToken);
    }

    private static string? Refused(Action set) => Assert.Throws<ArgumentException>(set).ParamName;
}
