namespace SafeAmqp.IntegrationTests.Publishing;

[Trait("Broker", "3.10")]
public sealed class OutcomeTests(TestBroker broker) : FaultTest(broker)
{
    [Fact]
    public async Task A_message_that_no_queue_receives_is_returned_with_code_and_text()
    {
        AmqpClient amqp = await ConnectAsync();
        var error = await Assert.ThrowsAsync<AmqpReturnedException>(
            async () => await amqp.PublishAsync(AmqpMessage.ToQueue(NewName(), []), Cancelled));
        Tells(error, AmqpOutcome.Returned, safe: true);
        Assert.Equal(312, error.ReplyCode);
        Assert.Equal("NO_ROUTE", error.ReplyText);
    }

    [Fact]
    public async Task Returns_among_confirmed_messages_find_their_own_publish()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        string missing = NewName();
        Task<Exception?>[] ends = [.. Enumerable.Range(0, 2000).Select(i =>
            EndOf(amqp.PublishAsync(
                AmqpMessage.ToQueue(i % 3 == 0 ? missing : queue, new byte[i % 5000]) with { MessageId = "the same" },
                Cancelled)))];
        await Task.WhenAll(ends);
        for (int i = 0; i < ends.Length; i++)
        {
            if (i % 3 == 0)
                Assert.IsType<AmqpReturnedException>(await ends[i]);
            else
                Assert.Null(await ends[i]);
        }
        Assert.Equal(ends.Length - (ends.Length + 2) / 3, await MessagesInAsync(queue));
    }

    [Fact]
    public async Task A_broadcast_that_reaches_no_queue_is_confirmed()
    {
        AmqpClient amqp = await ConnectAsync();
        await amqp.PublishAsync(AmqpMessage.Broadcast("amq.fanout", []), Cancelled);
    }

    [Fact]
    public async Task A_full_queue_nacks()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = NewName();
        await amqp.DeclareAsync(new AmqpTopology()
            .With(new AmqpQueue { Name = queue, MaxLength = 1, Overflow = AmqpOverflow.RejectPublish }), Cancelled);
        await amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled);
        var error = await Assert.ThrowsAsync<AmqpNackedException>(
            async () => await amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled));
        Tells(error, AmqpOutcome.Nacked, safe: true);
        await TakeAsync(amqp, queue, 1);
        await UntilAsync(
            async () => await EndOf(amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled)),
            end => end is null);
        Assert.Equal(1, amqp.Status.Links[0].Epoch);
    }

    [Fact]
    public async Task A_full_queue_does_not_harm_publishes_to_others()
    {
        AmqpClient amqp = await ConnectAsync();
        string full = NewName(), other = await NewQueueAsync(amqp);
        await amqp.DeclareAsync(new AmqpTopology()
            .With(new AmqpQueue { Name = full, MaxLength = 1, Overflow = AmqpOverflow.RejectPublish }), Cancelled);
        await amqp.PublishAsync(AmqpMessage.ToQueue(full, []), Cancelled);
        long start = TimeProvider.System.GetTimestamp();
        int nacked = 0, confirmed = 0;
        while (TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromSeconds(1)) // long enough for a storm of nacks
        {
            Task<Exception?>[] ends = [.. Enumerable.Range(0, 20).Select(
                i => EndOf(amqp.PublishAsync(AmqpMessage.ToQueue(i % 2 == 0 ? full : other, []), Cancelled)))];
            for (int i = 0; i < ends.Length; i++)
            {
                if (i % 2 == 0)
                    Assert.IsType<AmqpNackedException>(await ends[i]);
                else
                    Assert.Null(await ends[i]);
            }
            nacked += 10;
            confirmed += 10;
        }
        Assert.True(nacked > 50, $"{nacked} nacks are no storm");
        Assert.Equal(confirmed, await MessagesInAsync(other));
        Assert.Equal(1, amqp.Status.Links[0].Epoch);
    }

    [Fact]
    public async Task A_message_that_could_not_leave_was_not_sent()
    {
        AmqpClient amqp = NewClient(options => (options.Uri, options.PublishTimeout) = (
            "amqp://guest:guest@127.0.0.1:1/", TimeSpan.FromMilliseconds(300)));
        var error = await Assert.ThrowsAsync<AmqpNotSentException>(
            async () => await amqp.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled));
        Tells(error, AmqpOutcome.NotSent, safe: true);
        Assert.IsType<TimeoutException>(error.InnerException);
        Assert.Contains("127.0.0.1:1", error.Message, StringComparison.Ordinal);
        Assert.Contains(
            error.Status!.Links[0].State, (AmqpLinkState[])[AmqpLinkState.Connecting, AmqpLinkState.Waiting]);
    }

    [Fact]
    public async Task A_message_that_left_and_was_not_answered_is_unknown()
    {
        FaultProxy proxy = NewProxy();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = proxy.Uri);
        string queue = await NewQueueAsync(amqp);
        proxy.ToClient.Paused = true;
        Task publish = amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled).AsTask();
        await UntilAsync(() => MessagesInAsync(queue), count => count == 1); // it did arrive
        Assert.True(proxy.Reset() > 0);
        var error = await Assert.ThrowsAsync<AmqpUnknownOutcomeException>(() => publish);
        Tells(error, AmqpOutcome.Unknown, safe: false);
        proxy.ToClient.Paused = false;
        await UntilAsync(() => amqp.Status.IsReady);
        Assert.Single(await TakeAsync(amqp, queue, 1));
        Assert.Equal(0, await MessagesInAsync(queue)); // nothing was repeated silently
    }

    [Fact]
    public async Task All_outcomes_have_one_root()
    {
        foreach (Type type in (Type[])[typeof(AmqpReturnedException), typeof(AmqpNackedException),
            typeof(AmqpRefusedException), typeof(AmqpNotSentException), typeof(AmqpUnknownOutcomeException),
            typeof(AmqpConnectException), typeof(AmqpTopologyException)])
            Assert.True(type.IsSubclassOf(typeof(AmqpException)));
        AmqpClient amqp = await ConnectAsync();
        await Assert.ThrowsAnyAsync<AmqpException>(
            async () => await amqp.PublishAsync(AmqpMessage.ToQueue(NewName(), []), Cancelled));
    }

    private static void Tells(AmqpException error, AmqpOutcome outcome, bool safe)
    {
        Assert.Equal(outcome, error.Outcome);
        Assert.Equal(safe, error.IsSafeToRepeat);
        Assert.NotNull(error.Status);
        Assert.Equal("send", error.Status.Links[0].Name);
        Assert.True(error.Status.Links[0].Epoch > 0);
    }
}
