using static TestSupport.Wire.RawClient;

namespace SafeAmqp.Testing.Tests.Conformance;

/// <summary>
/// A message above the broker's limit. The specification has 311 (CONTENT_TOO_LARGE) for it; RabbitMQ closes the
/// channel with 406, and so does the embedded broker. A test that wants to see 311 has it sent by a script.
/// </summary>
public sealed class OversizeTests(BrokerPairs brokers)
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(RabbitMqVersion.RabbitMq310, 128 << 20)]
    [InlineData(RabbitMqVersion.RabbitMq40, 16 << 20)]
    public async Task A_message_above_the_limit_closes_its_channel_with_406_on_both(RabbitMqVersion version, int limit)
    {
        BrokerPair pair = brokers.Of(version);
        string observed = await PlayAsync(pair.Embedded.Uri, limit);
        Assert.Equal(await PlayAsync(pair.RabbitMq, limit), observed);
        Assert.Equal(
            "method 60.80 on 1, close channel 406 PRECONDITION_FAILED - "
            + $"message size {limit + 1} is larger than configured max size {limit} class 60 method 40",
            observed);
    }

    [Fact]
    public async Task The_limit_is_an_option()
    {
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(
            new AmqpTestBrokerOptions { MaxMessageSize = 5000 }, Cancelled);
        Assert.Contains("message size 5001 is larger than configured max size 5000", await PlayAsync(broker.Uri, 5000));
    }

    [Fact]
    public async Task A_script_sends_311()
    {
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(cancellationToken: Cancelled);
        using FaultScript script = broker.Script(
            FaultTrigger.Publish(), FaultAction.CloseChannel(311, "too large for this test"));
        using RawClient client = await OpenAsync(broker.Uri);
        await client.SendAsync(Publish(1, "amq.direct", "nowhere", [1]));
        Assert.Equal(
            "close channel 311 CONTENT_TOO_LARGE - too large for this test class 60 method 40",
            await client.NextAsync());
    }

    private static async Task<string> PlayAsync(Uri uri, int limit)
    {
        using RawClient client = await OpenAsync(uri);
        await client.CallAsync(1, 85, 10, [0]);
        await client.SendAsync(Publish(1, "amq.direct", "nowhere", new byte[limit]));
        string first = await client.NextAsync();
        await client.SendAsync(Publish(1, "amq.direct", "nowhere", new byte[limit + 1]));
        return $"{first}, {await client.NextAsync()}";
    }
}
