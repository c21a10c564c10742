namespace SafeAmqp.IntegrationTests.Consuming;

public sealed class SequenceTests(TestBroker broker) : FeatureTest(broker)
{
    [Theory, MemberData(nameof(Layouts))]
    [Trait("Broker", "3.10")]
    public async Task A_delivery_is_acknowledged_when_the_loop_asks_for_the_next_and_requeued_when_the_loop_is_left(
        AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(layout);
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(amqp);
        await PublishAsync(amqp, queue, Numbers(10));
        var seen = new List<string>();
        await foreach (AmqpDelivery delivery in amqp.ReadAllAsync(queue, cancellationToken: Cancelled))
        {
            seen.Add(Text(delivery));
            if (seen.Count == 4)
                break;
        }
        Assert.Equal(["0", "1", "2", "3"], seen);
        await UntilReadyAsync(witness, queue, 7); // "3" was not done; what had been fetched beyond it is back, too
        Assert.Equal(0u, await witness.ConsumersAsync(queue));
        await foreach (AmqpDelivery delivery in amqp.ReadAllAsync(queue, cancellationToken: Cancelled))
        {
            Assert.Equal("3", Text(delivery));
            Assert.True(delivery.IsRedelivered);
            break;
        }
    }

    [Fact]
    public async Task A_delivery_is_requeued_when_the_loop_is_left_by_an_exception()
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(amqp);
        await PublishAsync(amqp, queue, "a", "b");
        await Assert.ThrowsAsync<FormatException>(async () =>
        {
            await foreach (AmqpDelivery delivery in amqp.ReadAllAsync(queue, cancellationToken: Cancelled))
            {
                if (Text(delivery) == "b")
                    throw new FormatException();
            }
        });
        await UntilReadyAsync(witness, queue, 1);
        Assert.Equal(0u, await witness.ConsumersAsync(queue));
    }

    [Fact]
    public async Task A_delivery_settled_by_hand_stays_as_it_was_settled()
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        var (queue, dead) = await NewQueueWithDeadLettersAsync(amqp);
        await PublishAsync(amqp, queue, "reject", "ack", "leave");
        await foreach (AmqpDelivery delivery in amqp.ReadAllAsync(queue, cancellationToken: Cancelled))
        {
            if (Text(delivery) == "reject")
                Assert.Equal(AmqpSettleResult.Settled, delivery.Settle(AmqpSettlement.Reject));
            else if (Text(delivery) == "ack")
                Assert.Equal(AmqpSettleResult.Settled, delivery.Settle(AmqpSettlement.Ack));
            else if (delivery.Settle(AmqpSettlement.Ack) == AmqpSettleResult.Settled)
                break; // acknowledged by hand: leaving does not requeue it
        }
        await UntilReadyAsync(witness, dead, 1);
        Assert.Equal(0u, await witness.ReadyAsync(queue));
    }

    [Fact]
    public async Task A_token_ends_the_sequence_and_gives_back_what_was_fetched()
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(amqp);
        await PublishAsync(amqp, queue, "a");
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        var came = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var loop = Task.Run(async () =>
        {
            await foreach (AmqpDelivery delivery in amqp.ReadAllAsync(queue, cancellationToken: cancel.Token))
            {
                Assert.Equal("a", Text(delivery));
                came.TrySetResult();
            }
        }, Cancelled);
        await InTime(came.Task); // before it comes nothing is unsettled, either
        await UntilAsync(() => amqp.Status.Links[1].Consumers is [{ State: AmqpConsumerState.Live, Unsettled: 0 }]);
        await cancel.CancelAsync();
        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => InTime(loop));
        Assert.Equal(cancel.Token, error.CancellationToken);
        await UntilAsync(() => witness.ConsumersAsync(queue), consumers => consumers == 0);
        await PublishAsync(amqp, queue, "b");
        Assert.Equal(1u, await witness.ReadyAsync(queue));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task With_AutoAck_what_the_loop_was_never_handed_stays_in_its_queue(bool byToken)
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(amqp);
        await PublishAsync(amqp, queue, Numbers(200));
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        int handed = 0;
        try
        {
            await foreach (AmqpDelivery delivery in amqp.ReadAllAsync(
                queue, new AmqpConsumerOptions { AutoAck = true, Prefetch = 10 }, cancel.Token))
            {
                if (++handed < 3)
                    continue;
                if (!byToken)
                    break;
                await cancel.CancelAsync();
                for (int i = 0; i < 20; i++) // meanwhile nothing more may go
                    await witness.ReadyAsync(queue);
            }
        }
        catch (OperationCanceledException) when (byToken)
        {
            // It was cancelled.
        }
        Assert.Equal(3, handed);
        await UntilReadyAsync(witness, queue, 197);
    }

    [Fact]
    public async Task A_sequence_goes_on_over_a_lost_link()
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = relay.Uri);
        string queue = await NewQueueAsync(amqp);
        await PublishAsync(amqp, queue, "a");
        var seen = new List<string>();
        await foreach (AmqpDelivery delivery in amqp.ReadAllAsync(queue, cancellationToken: Cancelled))
        {
            seen.Add($"{Text(delivery)}{(delivery.IsRedelivered ? " again" : "")}");
            if (seen.Count == 1)
            {
                relay.Cut();
                await UntilAsync(() => delivery.Lost.IsCancellationRequested);
                Assert.Equal(AmqpSettleResult.Stale, delivery.Settle(AmqpSettlement.Ack));
            }
            if (seen.Count == 2)
                await PublishAsync(amqp, queue, "b");
            if (seen.Count == 3)
                break;
        }
        Assert.Equal(["a", "a again", "b"], seen);
    }

    [Fact]
    public async Task A_sequence_of_a_queue_that_is_not_there_fails_at_once()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = NewName();
        var error = await Assert.ThrowsAsync<AmqpTopologyException>(async () =>
        {
            await foreach (AmqpDelivery _ in amqp.ReadAllAsync(queue, cancellationToken: Cancelled))
                Assert.Fail("nothing can come");
        });
        Assert.Equal((404, $"queue '{queue}'"), (error.ReplyCode, error.Entity));
        Assert.Throws<ArgumentException>(
            () => amqp.ReadAllAsync(queue, new AmqpConsumerOptions { Concurrency = 2 }, Cancelled));
        Assert.Throws<ArgumentException>(() => amqp.ReadAllAsync("", cancellationToken: Cancelled));
    }

    [Theory, InlineData("while it waits"), InlineData("in its body")]
    public async Task A_sequence_ends_when_its_client_is_disposed(string when)
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(amqp);
        await PublishAsync(amqp, queue, "a");
        var inBody = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var loop = Task.Run(async () =>
        {
            await foreach (AmqpDelivery delivery in amqp.ReadAllAsync(queue, cancellationToken: Cancelled))
            {
                inBody.SetResult();
                await go.Task;
            }
        }, Cancelled);
        await InTime(inBody.Task);
        if (when == "while it waits")
        {
            go.SetResult();
            await UntilAsync(() => amqp.Status.Links[1].Consumers is [{ Unsettled: 0 }]);
        }
        Task disposal = amqp.DisposeAsync().AsTask();
        go.TrySetResult();
        await InTime(disposal);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => InTime(loop));
        Assert.Equal(0u, await witness.ReadyAsync(queue)); // it was done, in time
    }
}
