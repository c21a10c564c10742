namespace SafeAmqp.FaultTests.Broker;

public sealed class HostNameTests : FaultCase
{
    [Fact]
    public async Task A_name_that_does_not_resolve_keeps_the_next_host_from_nothing_and_is_told()
    {
        AmqpTestBroker broker = await BrokerAsync(new AmqpTestBrokerOptions { UserName = "user", Password = "word" });
        var log = new Lines();
        AmqpClient client = NewClient($"amqp://user:word@{HostNames.NoHost}:5672/%2F", options =>
        {
            options.Hosts = [$"127.0.0.1:{broker.Port}"];
            options.LoggerFactory = log;
        });
        await client.OpenAsync(Cancelled).WaitAsync(Limit, Cancelled);
        Assert.All(client.Status.Links, link => Assert.True(link.Epoch >= 2, "The first host was not tried."));
        Assert.Contains(log.All, line => line.Contains(
            $"the name of the host '{HostNames.NoHost}' cannot be resolved", StringComparison.Ordinal));
        Assert.DoesNotContain(log.All, line => line.Contains("word", StringComparison.Ordinal));
    }
}
