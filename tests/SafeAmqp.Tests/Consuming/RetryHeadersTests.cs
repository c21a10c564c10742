using SafeAmqp.Consuming;

namespace SafeAmqp.Tests.Consuming;

public sealed class RetryHeadersTests
{
    [Fact]
    public void A_message_comes_back_from_its_retry_queue_as_it_was_published_and_one_attempt_older()
    {
        var message = new AmqpMessage
        {
            Exchange = "orders",
            RoutingKey = "new",
            Headers = new Dictionary<string, object?> { ["mine"] = 1 },
            Mandatory = false,
            Expiration = TimeSpan.FromSeconds(1),
            UserId = "somebody",
            MessageId = "id",
        };
        AmqpMessage waiting = RetryHeaders.ForMove(message, "work", to: "work.retry.1000", attempts: 1);
        Assert.Equal(("", "work.retry.1000", true, null, null, "id"),
            (waiting.Exchange, waiting.RoutingKey, waiting.Mandatory, waiting.Expiration, waiting.UserId,
                waiting.MessageId));
        Assert.Single(message.Headers!);

        AmqpMessage back = RetryHeaders.Restore(waiting with { RoutingKey = "work" });
        Assert.Equal(("orders", "new"), (back.Exchange, back.RoutingKey));
        Assert.Equal(1, RetryHeaders.Retries(back.Headers, "work"));
        Assert.Equal(1, back.Headers!["mine"]);

        AmqpMessage again = RetryHeaders.Restore(
            RetryHeaders.ForMove(back, "work", to: "work.retry.1000", attempts: 2));
        Assert.Equal(("orders", "new"), (again.Exchange, again.RoutingKey));
        Assert.Equal(2, RetryHeaders.PreviousAttempts(again.Headers, "work"));
    }

    [Fact]
    public void Attempts_in_one_queue_do_not_count_in_another_that_the_message_comes_to()
    {
        var message = new AmqpMessage { Exchange = "orders", RoutingKey = "new" };
        AmqpMessage moved = RetryHeaders.ForMove(message, "work", to: "work.retry.1000", attempts: 3);
        Assert.Equal(0, RetryHeaders.Retries(moved.Headers, "other"));
        Assert.Equal(0, RetryHeaders.PreviousAttempts(moved.Headers, "other"));
    }

    [Theory]
    [InlineData((byte)3, 3)]
    [InlineData((sbyte)3, 3)]
    [InlineData((short)3, 3)]
    [InlineData((ushort)3, 3)]
    [InlineData(3, 3)]
    [InlineData(3u, 3)]
    [InlineData(3L, 3)]
    [InlineData(-3L, 0)]
    [InlineData(long.MaxValue, int.MaxValue)]
    [InlineData(long.MinValue, 0)]
    [InlineData("3", 0)]
    [InlineData(3.5, 0)]
    [InlineData(true, 0)]
    [InlineData(null, 0)]
    public void Counts_that_peers_write_are_read_when_they_are_integers_and_never_break(object? value, int expected)
    {
        var headers = new Dictionary<string, object?> { [RetryHeaders.Attempts] = value };
        Assert.Equal(expected, RetryHeaders.Retries(headers, "work"));
        var broker = new Dictionary<string, object?> { ["x-delivery-count"] = value };
        Assert.Equal(expected, RetryHeaders.PreviousAttempts(broker, "work"));
    }

    [Fact]
    public void Our_own_count_goes_before_the_brokers()
    {
        Assert.Equal(2, RetryHeaders.PreviousAttempts(
            new Dictionary<string, object?> { [RetryHeaders.Attempts] = 2L, ["x-delivery-count"] = 7L }, "work"));
        Assert.Equal(0, RetryHeaders.Retries(new Dictionary<string, object?> { ["x-delivery-count"] = 7L }, "work"));
        Assert.Equal(0, RetryHeaders.PreviousAttempts(null, "work"));
    }

    [Theory]
    [InlineData(null, "key")]
    [InlineData("exchange", null)]
    [InlineData(7, "key")]
    public void An_address_that_is_not_whole_is_not_put_back(object? exchange, object? key)
    {
        var message = new AmqpMessage
        {
            RoutingKey = "work",
            Headers = new Dictionary<string, object?>
            {
                [RetryHeaders.Attempts] = 1L,
                ["x-safeamqp-exchange"] = exchange,
                ["x-safeamqp-routing-key"] = key
            },
        };
        Assert.Same(message, RetryHeaders.Restore(message));
        Assert.Same(message, RetryHeaders.Restore(message));
    }

    [Fact]
    public void A_message_that_was_never_in_a_retry_queue_is_left_alone()
    {
        var message = new AmqpMessage
        {
            Headers = new Dictionary<string, object?>
            {
                ["x-safeamqp-exchange"] = "a",
                ["x-safeamqp-routing-key"] = "b"
            }
        };
        Assert.Same(message, RetryHeaders.Restore(message));
        var bare = new AmqpMessage();
        Assert.Same(bare, RetryHeaders.Restore(bare));
    }
}
