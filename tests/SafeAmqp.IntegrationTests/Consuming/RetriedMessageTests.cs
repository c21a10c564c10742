using System.Text;
using RabbitMQ.Client;

namespace SafeAmqp.IntegrationTests.Consuming;

/// <summary>
/// What is passed on for another attempt is passed on octet by octet, but for what the broker would act on again.
/// </summary>
[Trait("Broker", "3.10")]
public sealed class RetriedMessageTests(TestBroker broker) : FeatureTest(broker)
{
    [Fact]
    public async Task A_message_with_copies_is_tried_again_without_making_them_again()
    {
        (Witness witness, string queue, string dead) = await FailingConsumerAsync();
        string copy = await witness.QueueAsync(NewName()), blind = await witness.QueueAsync(NewName());
        await witness.PublishAsync(queue, [1], properties => properties.Headers = new Dictionary<string, object?>
        {
            ["CC"] = new List<object> { copy },
            ["BCC"] = new List<object> { blind },
        });
        await UntilReadyAsync(witness, dead, 1);
        await UntilReadyAsync(witness, copy, 1);
        await UntilReadyAsync(witness, blind, 1);
    }

    [Fact]
    public async Task Every_property_comes_through_two_attempts_as_it_was()
    {
        (Witness witness, string queue, string dead) = await FailingConsumerAsync();
        byte[] notText = [0xFF, 0xFE, 0x00], text = Encoding.UTF8.GetBytes("bytes that look like text");
        await witness.PublishAsync(queue, [1], properties =>
        {
            properties.ContentType = "a/b";
            properties.ContentEncoding = "gzip";
            properties.CorrelationId = "c";
            properties.ReplyTo = "r";
            properties.MessageId = "m";
            properties.Type = "t";
            properties.AppId = "a";
            properties.ClusterId = "cluster";
            properties.Priority = 7;
            properties.Timestamp = new AmqpTimestamp(1_700_000_000_123); // milliseconds, as many write them
            properties.Headers = new Dictionary<string, object?>
            {
                ["binary"] = new BinaryTableValue(text),
                ["string"] = notText,
                ["nested"] = new Dictionary<string, object?> { ["list"] = new List<object?> { 1, 2L, "x", null } },
                ["long-time"] = new AmqpTimestamp(1_700_000_000_123),
                ["float"] = 1.5f,
            };
        });
        await UntilReadyAsync(witness, dead, 1);
        BasicGetResult letter = (await witness.Channel.BasicGetAsync(dead, autoAck: true, Cancelled))!;
        IReadOnlyBasicProperties got = letter.BasicProperties;
        Assert.Equal(("a/b", "gzip", "c", "r", "m", "t", "a", "cluster"), (got.ContentType, got.ContentEncoding,
            got.CorrelationId, got.ReplyTo, got.MessageId, got.Type, got.AppId, got.ClusterId));
        Assert.Equal(7, got.Priority);
        Assert.Equal(1_700_000_000_123, got.Timestamp.UnixTime);
        Assert.False(got.IsDeliveryModePresent()); // it had none
        Assert.Equal(text, Assert.IsType<BinaryTableValue>(got.Headers!["binary"]).Bytes);
        Assert.Equal(notText, got.Headers["string"]);
        Assert.Equal(1_700_000_000_123, Assert.IsType<AmqpTimestamp>(got.Headers["long-time"]).UnixTime);
        Assert.Equal(1.5f, got.Headers["float"]);
        var nested = Assert.IsType<Dictionary<string, object?>>(got.Headers["nested"]);
        Assert.Equal([1, 2L, Encoding.UTF8.GetBytes("x"), null], Assert.IsType<List<object?>>(nested["list"]));
    }

    [Fact]
    public async Task The_expiration_is_kept_for_the_handler_and_does_not_cut_the_delay_short()
    {
        AmqpClient amqp = await ConnectAsync();
        (string queue, _) = await NewQueueWithDeadLettersAsync(amqp);
        Named($"{queue}.retry.300");
        var inbox = new Inbox((delivery, _) => delivery.PreviousAttempts < 2
            ? throw new InvalidOperationException("twice") : ValueTask.FromResult(AmqpSettlement.Ack));
        await amqp.ConsumeAsync(queue, inbox.HandleAsync,
            new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Retry(3, TimeSpan.FromMilliseconds(300)) },
            Cancelled);
        await amqp.PublishAsync(AmqpMessage.ToQueue(queue, Bytes("a")) with { Expiration = TimeSpan.FromSeconds(100) },
            Cancelled);
        Assert.All(await inbox.NextAsync(3),
            delivery => Assert.Equal(TimeSpan.FromSeconds(100), delivery.Message.Expiration));
    }

    [Fact]
    public async Task A_user_id_of_somebody_else_does_not_keep_a_message_from_being_tried_again()
    {
        (Witness witness, string queue, string dead) = await FailingConsumerAsync();
        await witness.PublishAsync(queue, [1], properties => properties.UserId = "guest");
        await UntilReadyAsync(witness, dead, 1);
    }

    // With the headers that a retry adds it would no longer fit
    [Fact]
    public async Task A_message_that_fills_its_frame_is_tried_as_often_as_any_and_dead_lettered()
    {
        AmqpClient amqp = await ConnectAsync();
        (string queue, string dead) = await NewQueueWithDeadLettersAsync(amqp);
        Named($"{queue}.retry.30");
        var attempts = new List<int>();
        await amqp.ConsumeAsync(queue, (delivery, _) =>
        {
            attempts.Add(delivery.PreviousAttempts);
            throw new InvalidOperationException("always");
        }, new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Retry(2, TimeSpan.FromMilliseconds(30)) },
            Cancelled);
        Witness witness = await WitnessAsync();
        await witness.PublishAsync(queue, [1], properties => properties.Headers = new Dictionary<string, object?>
        {
            ["k"] = new string('x', 130_960),
        });
        await UntilReadyAsync(witness, dead, 1);
        Assert.Equal([0, 1, 2], attempts);
        Assert.All(amqp.Status.Links, link => Assert.Equal(1, link.Epoch));
    }

    [Theory, InlineData("q", 243, true), InlineData("q", 244, false), InlineData("é", 122, false)]
    public async Task A_queue_whose_retry_queue_would_have_too_long_a_name_is_refused_before_anything_happens(
        string letter, int times, bool fits)
    {
        AmqpClient amqp = NewClient(options => options.Uri = "amqp://guest:guest@127.0.0.1:1/");
        string queue = string.Concat(Enumerable.Repeat(letter, times)); // with ".retry.60000": 255 bytes at most
        var options = new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Retry(1, TimeSpan.FromMinutes(1)) };
        using var soon = new CancellationTokenSource(TimeSpan.FromMilliseconds(500));
        Exception? error = await Record.ExceptionAsync(
            async () => await amqp.ConsumeAsync(queue, new Inbox().HandleAsync, options, soon.Token));
        if (fits)
        {
            Assert.IsAssignableFrom<OperationCanceledException>(error);
            return;
        }
        Assert.Contains("OnFailure", Assert.IsType<ArgumentException>(error).Message, StringComparison.Ordinal);
        Assert.Equal(AmqpLinkState.Idle, amqp.Status.Links[0].State);
    }

    [Theory, InlineData(243, false, true), InlineData(244, false, false), InlineData(244, true, true)]
    public async Task A_queue_beside_which_nothing_that_fails_could_be_put_is_refused(
        int length, bool autoDelete, bool fits)
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = NewName();
        queue = Named(queue + new string('x', length - queue.Length)); // with ".retry.60000": 255 bytes at most
        await amqp.DeclareAsync(
            new AmqpTopology().With(new AmqpQueue { Name = queue, AutoDelete = autoDelete }), Cancelled);
        Exception? error = await Record.ExceptionAsync(
            () => amqp.ConsumeAsync(queue, new Inbox().HandleAsync, cancellationToken: Cancelled));
        Assert.Equal(fits ? null : typeof(ArgumentException), error?.GetType());
    }

    private async Task<(Witness Witness, string Queue, string Dead)> FailingConsumerAsync(
        [System.Runtime.CompilerServices.CallerMemberName] string test = "")
    {
        AmqpClient amqp = await ConnectAsync();
        (string queue, string dead) = await NewQueueWithDeadLettersAsync(amqp, test: test);
        Named($"{queue}.retry.30");
        var inbox = new Inbox((_, _) => throw new InvalidOperationException("always"));
        await amqp.ConsumeAsync(queue, inbox.HandleAsync,
            new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Retry(2, TimeSpan.FromMilliseconds(30)) },
            Cancelled);
        return (await WitnessAsync(), queue, dead);
    }
}
