namespace SafeAmqp.Telemetry.Tests;

public sealed class MetricTests : TelemetryTest
{
    private static readonly (string, object?) Send = ("safeamqp.link.name", "send"),
        Receive = ("safeamqp.link.name", "receive");

    [Fact]
    public async Task What_waits_behind_a_blocked_broker_is_seen_and_for_how_long()
    {
        AmqpClient amqp = await ConnectAsync(options => options.MaxPendingMessages = 5);
        await DeclareAsync(amqp, "q");
        await BlockAsync(amqp);
        using TestMeters.Hearing heard = Meters.Listen();
        Task[] publishes = [.. Enumerable.Range(0, 7)
            .Select(_ => amqp.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled).AsTask())];
        await UntilAsync(() => heard.Collect().Sum("safeamqp.publish.queue.length", Send) == 5);
        Assert.Equal(2, heard.Sum("safeamqp.publish.callers.waiting", Send));
        Assert.Equal(0, heard.Sum("messaging.client.sent.messages"));
        Assert.Equal(0, heard.Sum("safeamqp.publish.queue.length", Receive));
        double waited = heard.Sum("safeamqp.publish.queue.wait", Send),
            blocked = heard.Sum("safeamqp.connection.blocked.duration", Send);
        await UntilAsync(() => heard.Collect().Sum("safeamqp.publish.queue.wait", Send) > waited
            && heard.Sum("safeamqp.connection.blocked.duration", Send) > blocked);

        Broker.Unblock();
        await Task.WhenAll(publishes);
        await UntilAsync(() => heard.Collect().Sum("safeamqp.publish.queue.length", Send) == 0);
        Assert.Equal(7, heard.Sum(
            "messaging.client.sent.messages",
            ("messaging.operation.name", "publish"),
            ("messaging.destination.name", "q")));
        Assert.Equal(7, heard.Sum(
            "safeamqp.publish.outcomes", ("safeamqp.outcome", "confirmed"), ("safeamqp.client.name", "tested")));
        Assert.NotEmpty(heard["safeamqp.confirm.duration"]);
        blocked = heard.Sum("safeamqp.connection.blocked.duration", Send);
        Assert.Equal(blocked, heard.Collect().Sum("safeamqp.connection.blocked.duration", Send)); // it is over
    }

    [Fact]
    public async Task A_confirm_is_timed_from_its_hand_over_to_its_answer()
    {
        AmqpClient amqp = await ConnectAsync();
        await DeclareAsync(amqp, "q");
        using TestMeters.Hearing heard = Meters.Listen();
        using FaultScript late = Broker.Script(
            FaultTrigger.Publish().Times(1), FaultAction.DelayConfirm(TimeSpan.FromMilliseconds(300)));
        await amqp.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled);
        Assert.InRange(Assert.Single(heard["safeamqp.confirm.duration"]).Value, 0.25, 20);
        using FaultScript lost = Broker.Script(FaultTrigger.Publish().Times(1), FaultAction.DropConfirm());
        ValueTask unanswered = amqp.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled);
        await UntilAsync(() => heard.Collect().Sum("safeamqp.confirms.pending", Send) == 1);
        await Broker.InjectAsync(FaultAction.Reset());
        await Assert.ThrowsAsync<AmqpUnknownOutcomeException>(async () => await unanswered);
        Assert.Single(heard["safeamqp.confirm.duration"]); // no answer is no time
    }

    [Fact]
    public async Task A_lost_link_shows_its_state_its_epoch_and_its_recovery()
    {
        AmqpClient amqp = await ConnectAsync();
        using TestMeters.Hearing heard = Meters.Listen();
        await UntilAsync(
            () => heard.Collect().Sum("safeamqp.connection.state", Send, ("safeamqp.link.state", "open")) == 1);
        Assert.Equal((0, 1), (State("waiting"), heard.Sum("safeamqp.connection.epoch", Send)));
        await Broker.KillAsync(Cancelled);
        await UntilAsync(
            () => heard.Collect().Sum("safeamqp.connection.state", Send, ("safeamqp.link.state", "open")) == 0);
        Assert.Equal(1, heard["safeamqp.connection.state"].Where(m => Equals(m["safeamqp.link.name"], "send"))
            .Sum(m => m.Value));
        Assert.Equal(7, heard["safeamqp.connection.state"].Count(m => Equals(m["safeamqp.link.name"], "send")));
        await Broker.StartAgainAsync(Cancelled);
        await amqp.OpenAsync(Cancelled);
        // Counted first, then timed
        await UntilAsync(() => heard.Collect().Sum("safeamqp.connection.recoveries") == 2
            && heard["safeamqp.connection.recovery.duration"].Count == 2);
        Assert.Equal(
            (1, 2),
            (heard.Sum("safeamqp.connection.recoveries", Send), heard["safeamqp.connection.recovery.duration"].Count));
        Assert.True(heard.Sum("safeamqp.connection.epoch", Send) > 1);

        double State(string state) => heard.Sum("safeamqp.connection.state", Send, ("safeamqp.link.state", state));
    }

    [Fact]
    public async Task Bytes_sends_and_the_threads_work_are_counted_over_all_connections()
    {
        AmqpClient amqp = await ConnectAsync();
        await DeclareAsync(amqp, "q");
        using TestMeters.Hearing heard = Meters.Listen();
        await amqp.PublishAllAsync(
            [.. Enumerable.Range(0, 500).Select(_ => AmqpMessage.ToQueue("q", new byte[1000]))], Cancelled);
        heard.Collect();
        double sent = heard.Sum("safeamqp.connection.sent.bytes", Send),
            sends = heard.Sum("safeamqp.connection.sends", Send),
            busy = heard.Sum("safeamqp.actor.loop.busy", Send);
        Assert.True(sent > 500_000 && heard.Sum("safeamqp.connection.received.bytes", Send) > 0);
        Assert.InRange(sends, 1, 500 * 3);
        Assert.InRange(busy, 1e-6, 600);
        await Broker.InjectAsync(FaultAction.Reset());
        await UntilAsync(() => amqp.Status.Links.All(link => link.Epoch > 1 && link.State == AmqpLinkState.Open));
        Assert.True(heard.Collect().Sum("safeamqp.connection.sent.bytes", Send) > sent);
    }

    [Fact]
    public async Task Deliveries_in_hand_and_calls_that_wait_are_seen_and_late_replies_counted()
    {
        AmqpClient amqp = await ConnectAsync();
        await amqp.DeclareAsync(new AmqpTopology().Queue("work").Queue("price"), Cancelled);
        using TestMeters.Hearing heard = Meters.Listen();
        using var go = new SemaphoreSlim(0);
        using var givingUp = new CancellationTokenSource();
        await amqp.ConsumeAsync("work", async (_, _) =>
        {
            await go.WaitAsync(Cancelled);
            return AmqpSettlement.Ack;
        }, cancellationToken: Cancelled);
        AmqpDelivery? request = null;
        await amqp.ConsumeAsync("price", (delivery, _) =>
        {
            Volatile.Write(ref request, delivery);
            return new(AmqpSettlement.Ack);
        }, cancellationToken: Cancelled);
        await amqp.PublishAllAsync(
            [AmqpMessage.ToQueue("work", []), AmqpMessage.ToQueue("work", [])], Cancelled);
        Task<AmqpReply> call = amqp.CallAsync(AmqpMessage.ToQueue(
            "price", []), new AmqpCallOptions { Timeout = TimeSpan.FromSeconds(60) }, givingUp.Token).AsTask();
        await UntilAsync(() => Volatile.Read(ref request) is not null
            && heard.Collect().Sum("safeamqp.consumer.inflight", Receive, ("messaging.destination.name", "work")) == 2
            && heard.Sum("safeamqp.rpc.pending", Send) == 1);
        await givingUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call);
        await amqp.PublishAsync(AmqpMessage.ToQueue(request!.Message.ReplyTo!, []) with
        {
            CorrelationId = request.Message.CorrelationId
        }, Cancelled);
        await UntilAsync(() => heard.Collect().Sum("safeamqp.rpc.late_replies", Send) == 1);
        Assert.Equal(0, heard.Sum("safeamqp.rpc.pending", Send));
        go.Release(2);
        await UntilAsync(() => heard.Collect().Sum("safeamqp.consumer.inflight", Receive) == 0);
        await UntilAsync(() => heard["messaging.process.duration"].Count == 3);
        Assert.Equal(2, heard.Sum(
            "messaging.client.consumed.messages",
            ("messaging.destination.name", "work"),
            ("messaging.operation.name", "process")));
    }

    [Theory]
    [InlineData("Hold", 1)]
    [InlineData("Retry", 1)] // a copy comes back, which is new to the broker
    [InlineData("Requeue", 4)]
    public async Task A_redelivery_counts_once_however_often_its_handler_runs(string policy, int expected)
    {
        AmqpClient amqp = await ConnectAsync();
        await DeclareAsync(amqp, "q");
        using TestMeters.Hearing heard = Meters.Listen();
        var soon = TimeSpan.FromMilliseconds(1);
        int handled = 0;
        await amqp.ConsumeAsync("q", (_, _) => Interlocked.Increment(ref handled) switch
        {
            1 => new(AmqpSettlement.Requeue),
            < 5 => throw new InvalidOperationException(),
            _ => new(AmqpSettlement.Ack),
        }, new AmqpConsumerOptions
        {
            OnFailure = policy switch
            {
                "Hold" => AmqpFailurePolicy.Hold(soon, soon, soon),
                "Retry" => AmqpFailurePolicy.Retry(3, soon),
                _ => AmqpFailurePolicy.Requeue,
            },
        }, Cancelled);
        await amqp.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled);
        await UntilAsync(() => heard["messaging.process.duration"].Count == 5);
        Assert.Equal(expected, heard.Sum("safeamqp.consumer.redelivered"));
    }

    [Fact]
    public async Task Consumers_of_queues_with_made_up_names_are_one_series_without_a_name()
    {
        await using AmqpClient amqp = await ConnectAsync();
        using TestMeters.Hearing heard = Meters.Listen();
        for (int i = 0; i < 3; i++)
            await amqp.SubscribeAsync(
                "amq.fanout", [], (_, _) => new(AmqpSettlement.Ack), cancellationToken: Cancelled);
        Measured series = Assert.Single(heard.Collect()["safeamqp.consumer.inflight"]);
        Assert.Null(series["messaging.destination.name"]);
    }

    [Fact]
    public async Task Clients_of_one_factory_are_told_apart_and_one_that_is_disposed_is_gone()
    {
        AmqpClient one = await ConnectAsync(options => options.ClientName = "one");
        await ConnectAsync(options => (options.ClientName, options.Layout) = ("two", AmqpConnectionLayout.Shared));
        using TestMeters.Hearing heard = Meters.Listen();
        Assert.Equal([("one", "receive"), ("one", "send"), ("two", "shared")], Links());
        await one.DisposeAsync();
        Assert.Equal([("two", "shared")], Links());

        IEnumerable<(string, string)> Links() => heard.Collect()["safeamqp.connection.epoch"]
            .Select(m => ((string)m["safeamqp.client.name"]!, (string)m["safeamqp.link.name"]!)).Order();
    }

    [Fact]
    public async Task The_number_of_names_in_metrics_is_bounded_and_names_that_the_broker_made_are_not_among_them()
    {
        AmqpClient amqp = await ConnectAsync();
        using TestMeters.Hearing heard = Meters.Listen(
            instrument => instrument.Name == "messaging.client.sent.messages");
        for (int i = 0; i < 300; i++)
            await amqp.PostAsync(
                AmqpMessage.ToQueue(i % 2 == 0 ? $"queue-{i}" : $"amq.gen-{i}", []) with { Mandatory = false },
                Cancelled);
        for (int i = 0; i < 300; i++)
            await amqp.PostAsync(AmqpMessage.ToQueue($"other-{i}", []) with { Mandatory = false }, Cancelled);
        Assert.Equal(600, heard.Sum("messaging.client.sent.messages"));
        Assert.Equal(200, heard["messaging.client.sent.messages"]
            .Select(m => m["messaging.destination.name"]).OfType<string>().Distinct().Count());
        Assert.DoesNotContain(heard.All, m => m["messaging.destination.name"] is string name
            && name.StartsWith("amq.gen-", StringComparison.Ordinal));
    }
}
