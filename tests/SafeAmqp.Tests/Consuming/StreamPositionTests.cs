using SafeAmqp.Consuming;

namespace SafeAmqp.Tests.Consuming;

public sealed class StreamPositionTests
{
    private static readonly AmqpConsumerOptions FromFirst = new() { StreamOffset = AmqpStreamOffset.First };

    [Fact]
    public void Reading_goes_on_at_the_first_that_was_not_settled()
    {
        var stream = new StreamPosition(FromFirst);
        Assert.Equal("first", Begin(stream, 1));
        for (long offset = 5; offset < 10; offset++)
            Assert.Equal(offset, stream.Delivered(Message(offset), false));
        foreach (long offset in (long[])[5, 6, 8, 9])
            stream.Settled(1, offset, AmqpSettlement.Ack, null);
        Assert.Equal(7L, Begin(stream, 2));
    }

    [Fact]
    public void With_all_settled_reading_goes_on_behind_the_last_and_stays_there_until_more_comes()
    {
        var stream = new StreamPosition(FromFirst);
        Begin(stream, 1);
        stream.Delivered(Message(5), false);
        stream.Settled(1, 5, AmqpSettlement.Ack, null);
        Assert.Equal(6L, Begin(stream, 2));
        Assert.Equal(6L, Begin(stream, 3));
    }

    [Fact]
    public void With_nothing_settled_reading_goes_on_at_the_first_that_came()
    {
        var stream = new StreamPosition(new AmqpConsumerOptions());
        Assert.Null(Begin(stream, 1));
        stream.Delivered(Message(41), false);
        stream.Delivered(Message(42), false);
        Assert.Equal(41L, Begin(stream, 2));
    }

    [Fact]
    public void A_settlement_counts_until_the_next_channel_begins_and_not_on_that()
    {
        var stream = new StreamPosition(FromFirst);
        Begin(stream, 1);
        stream.Delivered(Message(5), false);
        stream.Delivered(Message(6), false);
        stream.Settled(1, 5, AmqpSettlement.Ack, null); // its channel is lost by now
        Assert.Equal(6L, Begin(stream, 2));
        stream.Delivered(Message(6), false);
        stream.Settled(1, 6, AmqpSettlement.Ack, null); // of the delivery before
        Assert.Equal(6L, Begin(stream, 3));
    }

    [Fact]
    public void A_stream_that_is_gone_is_read_from_its_beginning_if_it_was_read_at_all()
    {
        var stream = new StreamPosition(new AmqpConsumerOptions { StreamOffset = AmqpStreamOffset.Next });
        stream.Forget();
        Assert.Equal("next", Begin(stream, 1));
        stream.Delivered(Message(100), false);
        stream.Forget();
        Assert.Equal(0L, Begin(stream, 2));
    }

    [Theory]
    [InlineData(AmqpQueueType.Classic, null)]
    [InlineData(AmqpQueueType.Stream, 5L)]
    public void How_a_queue_was_declared_wins_over_what_its_messages_say(AmqpQueueType type, long? offset)
    {
        var stream = new StreamPosition(new AmqpConsumerOptions());
        stream.Begin(1, new AmqpQueue { Name = "q", Type = type });
        Assert.Equal(offset, stream.Delivered(Message(5), false));
    }

    [Fact]
    public void Messages_whose_offsets_are_in_no_order_are_not_of_a_stream()
    {
        var stream = new StreamPosition(new AmqpConsumerOptions());
        Begin(stream, 1);
        Assert.Equal(5L, stream.Delivered(Message(5), false));
        Assert.Null(stream.Delivered(Message(3), false));
        Assert.Null(stream.Delivered(Message(6), false));
    }

    [Fact]
    public void Options_and_arguments_become_the_consumers_arguments()
    {
        var stream = new StreamPosition(new AmqpConsumerOptions
        {
            Priority = 3,
            StreamFilter = ["a", "b"],
            StreamMatchUnfiltered = true,
            StreamOffset = AmqpStreamOffset.At(7),
            Arguments = new Dictionary<string, object?> { ["x-stream-offset"] = "last", ["mine"] = 1 },
        });
        IReadOnlyDictionary<string, object?> arguments = stream.Begin(1, null)!;
        Assert.Equal((3, true, 7L, 1), (arguments["x-priority"], arguments["x-stream-match-unfiltered"],
            arguments["x-stream-offset"], arguments["mine"]));
        Assert.Equal(["a", "b"], (List<string>)arguments["x-stream-filter"]!);
    }

    private static object? Begin(StreamPosition stream, long incarnation)
        => stream.Begin(incarnation, null)?.GetValueOrDefault("x-stream-offset");

    private static AmqpMessage Message(long offset)
        => new() { Headers = new Dictionary<string, object?> { ["x-stream-offset"] = offset } };
}
