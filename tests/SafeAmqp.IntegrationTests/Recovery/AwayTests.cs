namespace SafeAmqp.IntegrationTests.Recovery;

/// <summary>Whatever keeps a publish from leaving, its token and its deadline are obeyed.</summary>
public sealed class AwayTests(TestBroker broker) : FaultTest(broker)
{
    private static readonly TimeSpan Trigger = TimeSpan.FromMilliseconds(500);

    public static TheoryData<string, bool> Matrix => new MatrixTheoryData<string, bool>(
        ["never connected", "connecting", "blocked", "recovering", "full"], [true, false]);

    [Theory]
    [MemberData(nameof(Matrix))]
    public async Task A_publish_that_cannot_leave_ends_on_time(string state, bool byToken)
    {
        using var silent = new ConnectTests.Silent();
        FaultProxy proxy = NewProxy();
        AmqpClient amqp = NewClient(options =>
        {
            options.Uri = state switch
            {
                "never connected" => "amqp://guest:guest@127.0.0.1:1/",
                "connecting" => silent.Uri,
                _ => proxy.Uri
            };
            options.PublishTimeout = byToken ? TimeSpan.FromMinutes(1) : Trigger;
            options.MaxPendingMessages = state == "full" ? 1 : 10_000;
        });
        string queue = "nowhere";
        if (state is "blocked" or "recovering" or "full")
        {
            await amqp.OpenAsync(Cancelled);
            queue = await NewQueueAsync(amqp);
        }
        Task<Exception?> before = Task.FromResult<Exception?>(null);
        using var hold = new CancellationTokenSource();
        switch (state)
        {
            case "blocked":
                before = EndOf(await BlockAsync(amqp));
                break;
            case "recovering":
                proxy.Refuse = true;
                Assert.Equal(2, proxy.Reset());
                await UntilAsync(() => amqp.Status.Links[0].State is AmqpLinkState.Waiting or AmqpLinkState.Connecting);
                break;
            case "full":
                proxy.ToClient.Paused = true;
                before = EndOf(amqp.CallAsync(AmqpMessage.ToQueue(queue, []), null, hold.Token).AsTask());
                // it waits for its reply address, and holds the only place
                await UntilAsync(() => amqp.Status.Links[0].QueuedMessages == 1);
                break;
        }

        using var cancel = new CancellationTokenSource();
        Task<(Exception? Error, TimeSpan Took)> publish = TimedEndOf(
            () => amqp.PublishAsync(AmqpMessage.ToQueue(queue, "late"u8.ToArray()), byToken ? cancel.Token : default));
        Assert.False(publish.IsCompleted);
        if (byToken)
            cancel.CancelAfter(Trigger);
        var (error, took) = await publish.WaitAsync(Limit, Cancelled);
        Assert.InRange(took, Trigger - TimeSpan.FromMilliseconds(50), Trigger + Margin);
        if (byToken)
        {
            Assert.Equal(cancel.Token, Assert.IsType<OperationCanceledException>(error).CancellationToken);
        }
        else
        {
            var notSent = Assert.IsType<AmqpNotSentException>(error);
            Assert.IsType<TimeoutException>(notSent.InnerException);
            Assert.True(notSent.IsSafeToRepeat);
            Assert.NotNull(notSent.Status);
        }

        await UntilAsync(() => amqp.Status.Links[0].QueuedMessages == (state == "full" ? 1 : 0));
        proxy.ToClient.Paused = proxy.Refuse = false;
        if (state == "blocked")
            await Broker.Node.SetMemoryAlarmAsync(false, Cancelled);
        if (state is not ("blocked" or "recovering" or "full"))
            return;
        await hold.CancelAsync();
        await before.WaitAsync(Limit, Cancelled);
        await UntilAsync(() => amqp.Status.IsReady);
        // It really was not sent: what is there now, up to a last message behind everything, is not it. Not by their
        // number: a request expires with its call.
        while (await EndOf(
            amqp.PublishAsync(AmqpMessage.ToQueue(queue, []) with { Type = "last" }, Cancelled)) is not null)
            await Task.Yield();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        limit.CancelAfter(Limit);
        await foreach (AmqpDelivery delivery in amqp.ReadAllAsync(queue, cancellationToken: limit.Token))
        {
            Assert.False(delivery.Body.Span.SequenceEqual("late"u8));
            if (delivery.Message.Type == "last")
                break;
        }
    }
}
