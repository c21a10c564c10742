namespace SafeAmqp.IntegrationTests.Publishing;

public sealed class PublishTests(TestBroker broker) : BrokerTest(broker)
{
    [Fact]
    public async Task A_publish_ends_when_the_broker_has_confirmed_it()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        await amqp.PublishAsync(AmqpMessage.ToQueue(queue, "hello"u8.ToArray()), Cancelled);
        await foreach (AmqpDelivery delivery in amqp.ReadAllAsync(queue, cancellationToken: Cancelled))
        {
            Assert.Equal("hello"u8.ToArray(), delivery.Body.ToArray());
            break;
        }
    }

    [Fact]
    public async Task A_message_that_no_queue_receives_is_returned_with_code_and_text()
    {
        AmqpClient amqp = await ConnectAsync();
        var error = await Assert.ThrowsAsync<AmqpReturnedException>(async () => await amqp.PublishAsync(AmqpMessage.ToQueue(NewName(), default), Cancelled));
        Assert.Equal(AmqpOutcome.Returned, error.Outcome);
        Assert.Equal(312, error.ReplyCode);
        Assert.Equal("NO_ROUTE", error.ReplyText);
        Assert.True(error.IsSafeToRepeat);
        Assert.NotNull(error.Status);
    }
}
