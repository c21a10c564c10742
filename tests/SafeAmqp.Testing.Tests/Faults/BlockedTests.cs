using Microsoft.Extensions.Time.Testing;

namespace SafeAmqp.Testing.Tests.Faults;

/// <summary>A connection that is not read, because of an alarm, and ends.</summary>
public sealed class BlockedTests
{
    [Theory]
    [InlineData("its user is removed")]
    [InlineData("it is closed")]
    public async Task What_waits_at_a_blocked_connection_is_read_when_it_is_closed(string how)
    {
        CancellationToken cancelled = TestContext.Current.CancellationToken;
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(
            new AmqpTestBrokerOptions { TimeProvider = new FakeTimeProvider() }, cancelled); // no time runs out
        using RawClient client = await RawClient.OpenAsync(broker.Uri);
        broker.Block();
        // All that the broker will get, as from a publisher whose input it has stopped reading ahead.
        await client.SendAsync((byte[])[
            .. RawClient.Publish(1, "amq.direct", "nowhere", []), .. RawClient.Method(0, 10, 51, [])]);
        await broker.WaitUntilAsync(view => view.Connections[0].IsBlocked, cancellationToken: cancelled);
        if (how == "it is closed")
            await broker.InjectAsync(FaultAction.CloseConnection());
        else
            broker.RemoveUser("guest");
        Assert.StartsWith("close connection 320", await client.NextAsync(), StringComparison.Ordinal);
        Assert.Equal("end", await client.NextAsync());
    }
}
