using static TestSupport.Wire.RawClient;

namespace SafeAmqp.Testing.Tests.Conformance;

/// <summary>Where the embedded broker does not do what RabbitMQ does, and why.</summary>
public sealed class KnownDifferences(BrokerPairs brokers)
{
    /// <summary>
    /// RabbitMQ has transactions. No new program should use them; confirms do the same in a fraction of the time.
    /// </summary>
    [Fact]
    public async Task Transactions_are_refused_with_a_hint()
    {
        using RawClient client = await OpenAsync(brokers.Embedded.Uri);
        Assert.Equal(
            "close connection 540 NOT_IMPLEMENTED - transactions are not supported by this broker: use "
                + "publisher confirms (confirm.select) class 90 method 10",
            await client.CallAsync(1, 90, 10, []));
    }

    /// <summary>RabbitMQ listens on all addresses by default, this one on those of the loopback interface.</summary>
    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("::1")]
    public async Task Both_loopback_addresses_are_listened_on_before_and_after_a_restart(string address)
    {
        CancellationToken cancelled = TestContext.Current.CancellationToken;
        Assert.SkipWhen(address == "::1" && !System.Net.Sockets.Socket.OSSupportsIPv6, "There is no IPv6 here.");
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(cancellationToken: cancelled);
        var factory = new ConnectionFactory
        {
            HostName = address,
            Port = broker.Port,
            AutomaticRecoveryEnabled = false,
        };
        await using (await factory.CreateConnectionAsync(cancelled))
            await broker.StopAsync(cancelled);
        await broker.StartAgainAsync(cancelled);
        await using IConnection again = await factory.CreateConnectionAsync(cancelled);
        Assert.True(again.IsOpen);
    }

    /// <summary>RabbitMQ still speaks AMQP 0-8 with a client that asks for it; no client of today does.</summary>
    [Theory]
    [InlineData(RabbitMqVersion.RabbitMq310, "414D515000000901")]
    [InlineData(RabbitMqVersion.RabbitMq40, "414D515003010000")]
    public async Task The_older_protocol_is_answered_with_the_header_of_a_newer_one(
        RabbitMqVersion version, string header)
    {
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(
            new AmqpTestBrokerOptions { Version = version }, TestContext.Current.CancellationToken);
        using RawClient client = await ConnectAsync(broker.Uri);
        await client.SendAsync((byte[])[.. "AMQP"u8, 1, 1, 8, 0]);
        Assert.Equal(header, Convert.ToHexString(await client.RestAsync()));
    }
}
