using System.Text;
using SafeAmqp.Testing;

namespace SafeAmqp.IntegrationTests.Guide;

// The programs of docs/testing.md are examples to read and need no token.
#pragma warning disable xUnit1051
public sealed class TestingPageTests
{
    // <handler>
    [Fact]
    public async Task A_letter_without_an_address_is_rejected()
    {
        var letter = new AmqpDelivery(AmqpMessage.ToQueue("letters", "no address"u8.ToArray()));

        AmqpSettlement settlement = await HandleAsync(letter, CancellationToken.None);

        Assert.Equal(AmqpSettlement.Reject, settlement);
    }
    // </handler>

    // <broker>
    [Fact]
    public async Task A_letter_is_delivered()
    {
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync();
        await using AmqpClient amqp = await AmqpClient.ConnectAsync(broker.Uri);
        await amqp.DeclareAsync(new AmqpTopology().Queue("letters"));
        await using AmqpSubscription consumer = await amqp.ConsumeAsync("letters", HandleAsync);

        await amqp.PublishAsync("", "letters", "to: you"u8.ToArray());

        await broker.WaitUntilAsync(view =>
            view.ReadyCount("letters") == 0 && view.UnacknowledgedCount("letters") == 0);
    }
    // </broker>

    // <fault>
    [Fact]
    public async Task A_letter_whose_connection_is_lost_may_have_arrived()
    {
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync();
        await using AmqpClient amqp = await AmqpClient.ConnectAsync(broker.Uri);
        await amqp.DeclareAsync(new AmqpTopology().Queue("letters"));
        using FaultScript script = broker.Script(FaultTrigger.Publish().Nth(1), FaultAction.Reset());

        var error = await Assert.ThrowsAsync<AmqpUnknownOutcomeException>(async () =>
            await amqp.PublishAsync("", "letters", "to: you"u8.ToArray()));

        Assert.False(error.IsSafeToRepeat);
        await amqp.PublishAsync("", "letters", "to: you, again"u8.ToArray());    // the client has come back
    }
    // </fault>

    private static ValueTask<AmqpSettlement> HandleAsync(AmqpDelivery letter, CancellationToken lost)
        => new(Encoding.UTF8.GetString(letter.Body.Span).StartsWith("to: ", StringComparison.Ordinal)
            ? AmqpSettlement.Ack
            : AmqpSettlement.Reject);
}
#pragma warning restore xUnit1051
