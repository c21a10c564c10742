using System.Diagnostics;

namespace SafeAmqp.Telemetry.Tests;

public sealed class ConsumeSpanTests : TelemetryTest
{
    private static readonly ActivitySource Source = new("test");

    [Theory, InlineData(false), InlineData(true), InlineData(null)]
    public async Task A_handler_is_a_span_linked_to_the_creation_of_its_message_and_by_default_its_child(bool? option)
    {
        bool isChild = option ?? true;
        AmqpClient amqp = await ConnectAsync(options =>
        {
            if (option is { } given)
                options.Telemetry.HandlersContinueTraces = given;
        });
        await DeclareAsync(amqp, "q");
        using var spans = new Spans();
        var seen = new TaskCompletionSource<(Activity Current, string? Tenant)>(
            TaskCreationOptions.RunContinuationsAsynchronously);
        await amqp.ConsumeAsync("q", (_, _) =>
        {
            seen.TrySetResult((Activity.Current!, Activity.Current!.GetBaggageItem("tenant")));
            return new(AmqpSettlement.Ack);
        }, cancellationToken: Cancelled);
        using (Activity request = Source.StartActivity("request")!)
        {
            request.AddBaggage("tenant", "7");
            await amqp.PublishAsync(
                AmqpMessage.ToQueue("q", []) with { MessageId = "m", CorrelationId = "c" }, Cancelled);
        }
        var (current, tenant) = await seen.Task.WaitAsync(Cancelled);
        await UntilAsync(() => spans.Named("process").Count == 1);

        Activity publish = spans.One("publish"), process = spans.One("process");
        Assert.Same(process, current);
        Assert.Equal("7", tenant);
        Assert.Equal(
            ("process q", ActivityKind.Consumer, ActivityStatusCode.Unset),
            (process.DisplayName, process.Kind, process.Status));
        Assert.Equal(publish.SpanId, Assert.Single(process.Links).Context.SpanId);
        Assert.Equal(isChild, process.ParentSpanId == publish.SpanId && process.TraceId == publish.TraceId);
        Assert.Equal(new Dictionary<string, object?>
        {
            ["messaging.system"] = "rabbitmq",
            ["messaging.operation.name"] = "process",
            ["messaging.operation.type"] = "process",
            ["messaging.destination.name"] = "q",
            ["messaging.rabbitmq.destination.routing_key"] = "q",
            ["messaging.rabbitmq.message.delivery_tag"] = 1L,
            ["messaging.message.id"] = "m",
            ["messaging.message.conversation_id"] = "c",
            ["messaging.client.id"] = "tested",
            ["server.address"] = "127.0.0.1",
            ["server.port"] = Broker.Port,
            ["network.peer.address"] = "127.0.0.1",
            ["network.peer.port"] = Broker.Port,
            ["safeamqp.settlement"] = "ack",
        }.OrderBy(tag => tag.Key), process.TagObjects.OrderBy(tag => tag.Key));
    }

    [Theory]
    [InlineData("amq.direct", "new", "amq.direct:new")]
    [InlineData("amq.fanout", "", "amq.fanout")]
    [InlineData("", null, null)]
    public async Task A_queue_with_a_made_up_name_is_left_out_where_there_is_another(
        string exchange, string? key, string? name)
    {
        AmqpClient amqp = await ConnectAsync();
        using var spans = new Spans();
        AmqpSubscription subscription = await amqp.SubscribeAsync("amq.direct", ["new"],
            (_, _) => new(AmqpSettlement.Ack), cancellationToken: Cancelled);
        if (key == "")
            await amqp.DeclareAsync(new AmqpTopology().Bind(exchange).ToQueue(subscription.Queue), Cancelled);
        await amqp.PublishAsync(AmqpMessage.ToExchange(exchange, key ?? subscription.Queue, []), Cancelled);
        await UntilAsync(() => spans.Named("process").Count == 1);

        Activity process = spans.One("process");
        Assert.Equal((name is null ? "process" : $"process {name}", name ?? subscription.Queue),
            (process.DisplayName, process.GetTagItem("messaging.destination.name")));
        Assert.Equal((true, true), ((bool?)process.GetTagItem("messaging.destination.anonymous"),
            (bool?)process.GetTagItem("messaging.destination.temporary")));
    }

    [Theory]
    [InlineData(AmqpSettlement.Ack, "ack")]
    [InlineData(AmqpSettlement.Reject, "reject")]
    [InlineData(AmqpSettlement.Requeue, "nack")]
    public async Task A_settlement_is_a_span_in_that_of_its_handler_with_a_link_to_the_message(
        AmqpSettlement settlement, string name)
    {
        AmqpClient amqp = await ConnectAsync();
        await DeclareAsync(amqp, "q");
        using var spans = new Spans();
        int handled = 0;
        await amqp.ConsumeAsync(
            "q",
            (_, _) => new(Interlocked.Increment(ref handled) == 1 ? settlement : AmqpSettlement.Ack),
            cancellationToken: Cancelled);
        await amqp.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled);
        // One that goes back is held for a while first
        await UntilAsync(() => spans.Named("process").Count > 0 && spans.Named(name).Count > 0);

        Activity settle = spans.Named(name)[0], process = spans.Named("process")[0];
        Assert.Equal(
            ($"{name} q", ActivityKind.Client, "settle", 1L),
            (settle.DisplayName, settle.Kind, settle.GetTagItem("messaging.operation.type"), settle.GetTagItem(
                "messaging.rabbitmq.message.delivery_tag")));
        Assert.Equal(process.SpanId, settle.ParentSpanId);
        Assert.Equal(spans.One("publish").SpanId, Assert.Single(settle.Links).Context.SpanId);
        Assert.Equal(name, process.GetTagItem("safeamqp.settlement"));
    }

    [Fact]
    public async Task A_settlement_that_is_stale_says_so_and_without_the_option_there_is_no_span()
    {
        AmqpClient amqp = await ConnectAsync();
        AmqpClient quiet = await ConnectAsync(options => options.Telemetry.SettleSpans = false);
        await DeclareAsync(amqp, "q");
        await amqp.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled);
        AmqpDelivery? held = null;
        await using (AmqpSubscription subscription = await amqp.ConsumeAsync("q", async (delivery, lost) =>
        {
            bool isFirst = Interlocked.CompareExchange(ref held, delivery, null) is null;
            await Task.Delay(Timeout.Infinite, isFirst ? lost : delivery.Stopping);
            return AmqpSettlement.Ack;
        }, cancellationToken: Cancelled))
        {
            await UntilAsync(() => Volatile.Read(ref held) is not null);
            await Broker.InjectAsync(FaultAction.Reset());
            await UntilAsync(() => held!.Lost.IsCancellationRequested);
            using var spans = new Spans();
            using TestMeters.Hearing heard = Meters.Listen();
            Assert.Equal(AmqpSettleResult.Stale, held!.Settle(AmqpSettlement.Ack));
            Assert.Equal(
                ("stale", ActivityStatusCode.Error),
                (spans.One("ack").GetTagItem("error.type"), spans.One("ack").Status));
            Assert.Equal("stale", Assert.Single(heard["messaging.client.operation.duration"])["error.type"]);
            await UntilAsync(() =>
                heard.Collect().Sum("safeamqp.consumer.stale_settlements", ("safeamqp.link.name", "receive")) == 1);
        }

        using var others = new Spans();
        AmqpDelivery delivery = await PublishSpanTests.FirstAsync(quiet, "q");
        Assert.Empty(others.Named("ack").Concat(others.Named("nack")));
        Assert.True(delivery.IsRedelivered);
    }

    [Theory, InlineData(false, "reject"), InlineData(true, null)] // what is held is not settled
    public async Task A_handler_that_fails_is_a_span_that_says_how_and_is_counted_as_failed(bool isHeld,
        string? settlement)
    {
        AmqpClient amqp = await ConnectAsync();
        await DeclareAsync(amqp, "q");
        using var spans = new Spans();
        using TestMeters.Hearing heard = Meters.Listen();
        await amqp.ConsumeAsync("q", (_, _) => throw new InvalidOperationException("broken"),
            new AmqpConsumerOptions
            {
                OnFailure = isHeld ? AmqpFailurePolicy.Hold(TimeSpan.FromMinutes(5)) : AmqpFailurePolicy.Reject,
            }, Cancelled);
        await amqp.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled);
        await UntilAsync(() => spans.Named("process").Count == 1);

        Activity process = spans.One("process");
        Assert.Equal(("System.InvalidOperationException", ActivityStatusCode.Error, "broken", settlement),
            (process.GetTagItem("error.type"), process.Status, process.StatusDescription, process.GetTagItem(
                "safeamqp.settlement")));
        Assert.Equal("exception", Assert.Single(process.Events).Name);
        Assert.Equal(
            "System.InvalidOperationException", Assert.Single(heard["messaging.process.duration"])["error.type"]);
    }

    [Fact]
    public async Task A_loop_has_a_receive_span_for_each_delivery_it_gets_from_its_request_and_none_for_those_waiting()
    {
        AmqpClient amqp = await ConnectAsync();
        await DeclareAsync(amqp, "q");
        using var spans = new Spans();
        using TestMeters.Hearing heard = Meters.Listen();
        for (int i = 0; i < 5; i++)
            await amqp.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled);
        using Activity loop = Source.StartActivity("loop")!;
        int read = 0;
        await foreach (AmqpDelivery delivery in amqp.ReadAllAsync("q", cancellationToken: Cancelled))
        {
            Assert.Same(loop, Activity.Current);
            Assert.Equal(++read, spans.Named("receive").Count);
            if (read == 2)
                break;
        }
        Activity receive = spans.Named("receive")[0];
        Assert.Equal(
            ("receive q", ActivityKind.Client, "receive", loop.SpanId, 1L),
            (receive.DisplayName, receive.Kind, receive.GetTagItem("messaging.operation.type"), receive.ParentSpanId,
                receive.GetTagItem("messaging.rabbitmq.message.delivery_tag")));
        Assert.Equal(spans.Named("publish")[0].SpanId, Assert.Single(receive.Links).Context.SpanId);
        Assert.Empty(spans.Named("process"));
        Assert.Equal((2, 2), (
            (int)heard.Sum("messaging.client.consumed.messages", ("messaging.operation.name", "receive")),
            heard["messaging.client.operation.duration"]
                .Count(m => (string?)m["messaging.operation.type"] == "receive")));
    }

    [Fact]
    public async Task Without_a_listener_in_its_process_a_handler_sees_no_span_of_ours_nor_of_the_link()
    {
        AmqpClient amqp = await ConnectAsync();
        await DeclareAsync(amqp, "q");
        var seen = new TaskCompletionSource<Activity?>(TaskCreationOptions.RunContinuationsAsynchronously);
        await amqp.ConsumeAsync("q", (_, _) =>
        {
            seen.TrySetResult(Activity.Current);
            return new(AmqpSettlement.Ack);
        }, cancellationToken: Cancelled);
        await amqp.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled);
        Assert.Null(await seen.Task.WaitAsync(Cancelled));
    }
}
