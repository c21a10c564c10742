using RabbitMQ.Client;
using RabbitMQ.Client.Exceptions;

namespace SafeAmqp.IntegrationTests;

/// <summary>
/// Where the two brokers differ, seen by this library's users. Each test runs on both and asserts what each does;
/// whatever else is in the suite, other than what is <see cref="OnlyRabbitMqAttribute">only RabbitMQ's</see>, does not
/// tell them apart.
/// </summary>
public sealed class DifferenceTests(TestBroker broker) : FeatureTest(broker)
{
    /// <summary>
    /// The embedded broker has no transactions: confirms do the same in a fraction of the time, and this library uses
    /// nothing else.
    /// </summary>
    [Fact]
    public async Task A_transaction_is_begun_on_RabbitMQ_and_refused_by_the_embedded_broker()
    {
        Witness witness = await WitnessAsync();
        if (!Broker.IsEmbedded)
        {
            await witness.Channel.TxSelectAsync(Cancelled);
            return;
        }
        var error = await Assert.ThrowsAsync<OperationInterruptedException>(
            () => witness.Channel.TxSelectAsync(Cancelled));
        Assert.Equal(540, error.ShutdownReason!.ReplyCode);
        Assert.Contains("use publisher confirms", error.ShutdownReason.ReplyText, StringComparison.Ordinal);
    }

    /// <summary>
    /// The embedded broker has no TLS: it listens on the loopback address only. It answers the unknown protocol as
    /// RabbitMQ's plain listener does.
    /// </summary>
    [Fact]
    public async Task TLS_is_not_spoken_by_a_plain_listener_and_the_embedded_broker_has_no_other()
    {
        AmqpClient amqp = NewClient(options =>
        {
            options.FirstConnect = AmqpFirstConnect.FailFast;
            options.Uri = $"amqps://guest:guest@localhost:{Broker.Node.Port}/";
        });
        var error = await Assert.ThrowsAsync<AmqpConnectException>(() => InTime(amqp.OpenAsync(Cancelled)));
        Assert.Contains("TLS", error.Message, StringComparison.Ordinal);
    }

    /// <summary>Both name RabbitMQ as the product; the embedded broker's information says that it is none.</summary>
    [Fact]
    public async Task The_embedded_broker_says_that_it_is_for_tests()
    {
        await using IConnection connection =
            await new ConnectionFactory { Uri = Broker.Node.Uri, AutomaticRecoveryEnabled = false }
                .CreateConnectionAsync(Cancelled);
        string Property(string name)
            => System.Text.Encoding.UTF8.GetString((byte[])connection.ServerProperties![name]!);
        Assert.Equal("RabbitMQ", Property("product"));
        Assert.Equal(
            Broker.IsEmbedded,
            Property("information").Contains("tests and demonstrations only", StringComparison.Ordinal));
    }
}
