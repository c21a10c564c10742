using System.Diagnostics;

namespace SafeAmqp.IntegrationTests.Calls;

[Trait("Broker", "3.10")]
public sealed class ServeTests(TestBroker broker) : CallTest(broker)
{
    [Theory, InlineData(true), InlineData(false)]
    public async Task A_fault_travels_back_with_type_and_message_and_never_its_stack_trace(bool sendMessage)
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        await amqp.ServeAsync(
            queue, (_, _) => ThrowingMethod(), new AmqpServeOptions { SendFaultMessages = sendMessage }, Cancelled);
        var error = await Assert.ThrowsAsync<AmqpRemoteException>(
            async () => await amqp.CallAsync(AmqpMessage.ToQueue(queue, []), cancellationToken: Cancelled));
        Assert.Equal("System.FormatException", error.RemoteType);
        Assert.Equal(sendMessage, error.Message.Contains("not a number", StringComparison.Ordinal));
        Assert.DoesNotContain(nameof(ThrowingMethod), error.Message, StringComparison.Ordinal);
        Assert.Equal(AmqpOutcome.Confirmed, error.Outcome);
        Assert.False(error.IsSafeToRepeat);
        // And on the wire:
        Witness witness = await WitnessAsync();
        string replies = await witness.QueueAsync(NewName());
        await witness.PublishAsync(
            queue, [], properties => (properties.ReplyTo, properties.CorrelationId) = (replies, "c"));
        RabbitMQ.Client.BasicGetResult reply = (await UntilAsync(
            () => witness.Channel.BasicGetAsync(replies, autoAck: true, Cancelled), result => result is not null))!;
        Assert.Equal("c", reply.BasicProperties.CorrelationId);
        Assert.DoesNotContain(
            nameof(ThrowingMethod), System.Text.Encoding.UTF8.GetString(reply.Body.Span), StringComparison.Ordinal);
        Assert.Equal(["x-safeamqp-fault"], reply.BasicProperties.Headers!.Keys.Where(key => key != "x-safeamqp-slot"));

        static ValueTask<AmqpMessage> ThrowingMethod() => throw new FormatException("not a number");
    }

    [Fact]
    public async Task A_handler_that_returns_no_message_is_a_fault_too()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        await amqp.ServeAsync(queue, (_, _) => ValueTask.FromResult<AmqpMessage>(null!), cancellationToken: Cancelled);
        var error = await Assert.ThrowsAsync<AmqpRemoteException>(
            async () => await amqp.CallAsync(AmqpMessage.ToQueue(queue, []), cancellationToken: Cancelled));
        Assert.Equal("System.InvalidOperationException", error.RemoteType);
    }

    [Fact]
    public async Task Whatever_address_and_id_the_handler_puts_on_its_reply_it_goes_to_the_caller()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        await amqp.ServeAsync(queue, (_, _) => ValueTask.FromResult(new AmqpMessage
        {
            Exchange = "elsewhere",
            RoutingKey = "nowhere",
            CorrelationId = "other",
            Body = Bytes("here")
        }),
            cancellationToken: Cancelled);
        Assert.Equal(
            "here", Text(await amqp.CallAsync(AmqpMessage.ToQueue(queue, []), cancellationToken: Cancelled)));
    }

    [Theory, MemberData(nameof(Layouts))]
    public async Task Requests_past_their_deadline_are_dropped_those_without_reply_address_settled_and_none_is_handled(
        AmqpConnectionLayout layout)
    {
        var lines = new CapturedLines();
        AmqpClient amqp = await ConnectAsync(layout, options => options.LoggerFactory = lines);
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(amqp), replies = await witness.QueueAsync(NewName());
        var bodies = new System.Collections.Concurrent.ConcurrentQueue<string>();
        AmqpSubscription server = await amqp.ServeAsync(queue, (request, _) =>
        {
            bodies.Enqueue(Text(request));
            return ValueTask.FromResult(new AmqpMessage { Body = request.Body });
        }, cancellationToken: Cancelled);
        await witness.PublishAsync(queue, Bytes("late"), properties =>
        {
            (properties.ReplyTo, properties.CorrelationId) = (replies, "late");
            properties.Headers = new Dictionary<string, object?>
            {
                ["x-safeamqp-deadline"] = DateTimeOffset.UtcNow.AddSeconds(-1).ToUnixTimeMilliseconds()
            };
        });
        await witness.PublishAsync(queue, Bytes("no address"));
        await witness.PublishAsync(queue, Bytes("in time"), properties =>
        {
            (properties.ReplyTo, properties.CorrelationId) = (replies, "in time");
            properties.Headers = new Dictionary<string, object?>
            {
                ["x-safeamqp-deadline"] = DateTimeOffset.UtcNow.AddMinutes(1).ToUnixTimeMilliseconds()
            };
        });
        await UntilReadyAsync(witness, replies, 1);
        Assert.Equal(
            "in time",
            (await witness.Channel.BasicGetAsync(replies, autoAck: true, Cancelled))!.BasicProperties.CorrelationId);
        Assert.Equal(["in time"], bodies);
        await server.DisposeAsync();
        Assert.Equal(0u, await witness.ReadyAsync(queue));
        Assert.Contains(lines.Lines, line => line.StartsWith("Information 402", StringComparison.Ordinal));
        Assert.Contains(lines.Lines, line => line.StartsWith("Warning 401", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_token_of_a_request_fires_at_its_deadline_and_the_server_goes_on()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        var fired = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        await amqp.ServeAsync(queue, async (request, abandoned) =>
        {
            if (Text(request) == "slow")
            {
                // Not disposed: the handler may end over the token before it is called
                abandoned.Register(() => fired.TrySetResult(Stopwatch.GetTimestamp()));
                await Task.Delay(Limit, abandoned);
            }
            return new AmqpMessage { Body = request.Body };
        }, cancellationToken: Cancelled);
        Assert.Equal(
            "warm",
            Text(await amqp.CallAsync(AmqpMessage.ToQueue(queue, Bytes("warm")), cancellationToken: Cancelled)));
        long start = Stopwatch.GetTimestamp();
        await Assert.ThrowsAsync<AmqpNoReplyException>(async () => await amqp.CallAsync(
            AmqpMessage.ToQueue(queue, Bytes("slow")), Within(TimeSpan.FromMilliseconds(500)), Cancelled));
        Assert.InRange(
            Stopwatch.GetElapsedTime(start, await InTime(fired.Task)),
            TimeSpan.FromMilliseconds(480),
            TimeSpan.FromSeconds(3));
        Assert.Equal(
            "next",
            Text(await amqp.CallAsync(AmqpMessage.ToQueue(queue, Bytes("next")), cancellationToken: Cancelled)));
        Assert.Equal(0, amqp.Status.Links[0].LateReplies); // no fault was sent to a caller that had gone
    }

    [Fact]
    public async Task The_token_of_a_request_fires_when_its_delivery_is_lost_and_the_request_is_served_again()
    {
        FrameRelay relay = NewRelay();
        AmqpClient caller = await ConnectAsync(), server = await ConnectAsync(options => options.Uri = relay.Uri);
        string queue = await NewQueueAsync(caller);
        int begun = 0;
        var fired = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var first = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await server.ServeAsync(queue, async (request, abandoned) =>
        {
            if (Interlocked.Increment(ref begun) == 1)
            {
                abandoned.Register(() => fired.TrySetResult()); // not disposed, as above
                first.SetResult();
                await Task.Delay(Limit, abandoned);
            }
            return new AmqpMessage { Body = Bytes(request.IsRedelivered ? "again" : "first") };
        }, cancellationToken: Cancelled);
        Task<AmqpReply> call =
            caller.CallAsync(AmqpMessage.ToQueue(queue, []), cancellationToken: Cancelled).AsTask();
        await InTime(first.Task);
        relay.Cut();
        await InTime(fired.Task);
        Assert.Equal("again", Text(await InTime(call)));
    }

    [Fact]
    public async Task A_caller_that_is_gone_costs_its_server_nothing_but_the_reply()
    {
        AmqpClient amqp = await ConnectAsync(), caller = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        AmqpSubscription server = await amqp.ServeAsync(queue, async (request, _) =>
        {
            if (Text(request) == "wait")
            {
                begun.SetResult();
                await go.Task;
            }
            return new AmqpMessage { Body = request.Body };
        }, cancellationToken: Cancelled);
        Task<AmqpReply> call =
            caller.CallAsync(AmqpMessage.ToQueue(queue, Bytes("wait")), cancellationToken: Cancelled).AsTask();
        await InTime(begun.Task);
        await caller.DisposeAsync(); // and its reply queue with it
        await Assert.ThrowsAsync<AmqpNoReplyException>(() => InTime(call));
        go.SetResult();
        Assert.Equal(
            "next",
            Text(await amqp.CallAsync(AmqpMessage.ToQueue(queue, Bytes("next")), cancellationToken: Cancelled)));
        await UntilAsync(() => amqp.Status.Links[1].Consumers.All(consumer => consumer.Unsettled == 0));
        Assert.Null(server.LastError);
        Assert.All(amqp.Status.Links, link => Assert.Equal(1, link.Epoch));
    }

    [Theory, InlineData("exclusive"), InlineData("direct")]
    public async Task A_server_killed_between_reply_and_acknowledgement_is_followed_by_another_and_one_reply_is_seen(
        string address)
    {
        FrameRelay relay = NewRelay();
        AmqpClient caller = await ConnectAsync(), killed = await ConnectAsync(options => options.Uri = relay.Uri);
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(caller);
        var handled = new System.Collections.Concurrent.ConcurrentQueue<(string By, bool IsRedelivered)>();
        AmqpRequestHandler AnswerAs(string server) => (request, _) =>
        {
            handled.Enqueue((server, request.IsRedelivered));
            return ValueTask.FromResult(new AmqpMessage { Body = Bytes(server) });
        };
        await killed.ServeAsync(queue, AnswerAs("killed"), cancellationToken: Cancelled);
        relay.Mute(method => method.IsAck);
        AmqpCallOptions options = To(await AddressAsync(caller, address));
        Task<AmqpReply> CallAsync() => caller.CallAsync(AmqpMessage.ToQueue(queue, []), options, Cancelled).AsTask();
        Assert.Equal("killed", Text(await InTime(CallAsync())));
        relay.Refuse();
        relay.Cut();
        await (await ConnectAsync()).ServeAsync(queue, AnswerAs("next"), cancellationToken: Cancelled);
        await UntilAsync(() => caller.Status.Links[0].LateReplies == 1);
        Assert.Equal([("killed", false), ("next", true)], handled);
        Assert.Equal("next", Text(await InTime(CallAsync())));
        Assert.Equal(1, caller.Status.Links[0].LateReplies);
        await UntilReadyAsync(witness, queue, 0);
    }

    [Fact]
    public async Task A_reply_that_the_broker_returns_is_followed_by_a_fault_and_costs_its_server_nothing()
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = relay.Uri);
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(amqp), replies = NewName();
        AmqpSubscription server = await amqp.ServeAsync(queue,
            (request, _) => ValueTask.FromResult(new AmqpMessage { Body = request.Body }),
            cancellationToken: Cancelled);
        relay.Hold(method => method.IsReturn);
        await witness.PublishAsync(
            queue, [], properties => (properties.ReplyTo, properties.CorrelationId) = (replies, "c"));
        await UntilAsync(() => relay.Held > 0);
        await witness.QueueAsync(replies); // just too late for the reply
        await relay.ReleaseAsync();
        RabbitMQ.Client.BasicGetResult fault = (await UntilAsync(
            () => witness.Channel.BasicGetAsync(replies, autoAck: true, Cancelled), result => result is not null))!;
        Assert.Equal("c", fault.BasicProperties.CorrelationId);
        Assert.Equal(typeof(AmqpReturnedException).FullName, System.Text.Encoding.UTF8.GetString(
            Assert.IsType<byte[]>(fault.BasicProperties.Headers!["x-safeamqp-fault"])));
        await UntilAsync(() => amqp.Status.Links[0].Consumers.Single().Unsettled == 0);
        Assert.Null(server.LastError);
        Assert.All(amqp.Status.Links, link => Assert.Equal(1, link.Epoch));
    }
}
