using static SafeAmqp.Testing.Tests.Support.RawClient;

namespace SafeAmqp.Testing.Tests.Conformance;

/// <summary>
/// A message above the broker's limit. The specification has 311 (CONTENT_TOO_LARGE) for it; RabbitMQ closes the channel with 406, and so does the
/// embedded broker. Who wants to see 311 has it sent by a script.
/// </summary>
public sealed class OversizeTests(BothBrokers brokers)
{
    private const int Limit = 5000;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_message_above_the_limit_closes_its_channel_with_406_on_both()
    {
        await using AmqpTestBroker embedded = await AmqpTestBroker.StartAsync(new AmqpTestBrokerOptions { MaxMessageSize = Limit }, Cancelled);
        string observed = await PlayAsync(embedded.Uri);
        // A channel asks for the limit when it is opened.
        await brokers.RabbitMqNode.RabbitMqCtlAsync(["eval", $"application:set_env(rabbit, max_message_size, {Limit})."], Cancelled);
        try
        {
            Assert.Equal(await PlayAsync(brokers.RabbitMq), observed);
        }
        finally
        {
            await brokers.RabbitMqNode.RabbitMqCtlAsync(["eval", "application:set_env(rabbit, max_message_size, 134217728)."], CancellationToken.None);
        }
        Assert.Equal("method 60.80 on 1, close channel 406 PRECONDITION_FAILED - message size 5001 is larger than configured max size 5000 class 60 method 40", observed);
    }

    [Fact]
    public async Task A_script_sends_311()
    {
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(cancellationToken: Cancelled);
        using FaultScript script = broker.Script(FaultTrigger.Publish(), FaultAction.CloseChannel(311, "too large for this test"));
        using RawClient client = await OpenAsync(broker.Uri);
        await client.SendAsync(Publish(1, "amq.direct", "nobody", [1]));
        Assert.Equal("close channel 311 CONTENT_TOO_LARGE - too large for this test class 60 method 40", await client.NextAsync());
    }

    private static async Task<string> PlayAsync(Uri uri)
    {
        using RawClient client = await OpenAsync(uri);
        await client.CallAsync(1, 85, 10, [0]);
        await client.SendAsync(Publish(1, "amq.direct", "nobody", new byte[Limit]));
        string first = await client.NextAsync();
        await client.SendAsync(Publish(1, "amq.direct", "nobody", new byte[Limit + 1]));
        return $"{first}, {await client.NextAsync()}";
    }
}
