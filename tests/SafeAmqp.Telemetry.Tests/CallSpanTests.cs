using System.Diagnostics;

namespace SafeAmqp.Telemetry.Tests;

public sealed class CallSpanTests : TelemetryTest
{
    private static readonly ActivitySource Source = new("test");

    [Fact]
    public async Task A_call_and_its_answer_are_one_trace_from_the_caller_over_the_server_and_back()
    {
        AmqpClient amqp = await ConnectAsync();
        AmqpClient server = await ConnectAsync(options => options.ClientName = "server");
        await DeclareAsync(amqp, "price");
        await server.ServeAsync("price", (_, _) => new(new AmqpMessage()), cancellationToken: Cancelled);
        using var spans = new Spans();
        ActivityContext caller;
        using (Activity request = Source.StartActivity("request")!)
        {
            caller = request.Context;
            await amqp.CallAsync(AmqpMessage.ToQueue("price", []), cancellationToken: Cancelled);
        }
        await UntilAsync(() => spans.Named("process").Count == 1);

        Activity call = spans.One("call"), process = spans.One("process"), reply = spans.One("publish");
        Assert.Equal(("call price", ActivityKind.Client, "send", "confirmed"), (call.DisplayName, call.Kind,
            call.GetTagItem("messaging.operation.type"), call.GetTagItem("safeamqp.outcome")));
        Assert.Equal(
            [caller.SpanId, call.SpanId, process.SpanId],
            [call.ParentSpanId, process.ParentSpanId, reply.ParentSpanId]);
        Assert.All([call, process, reply], span => Assert.Equal(caller.TraceId, span.TraceId));
        Assert.Equal(call.SpanId, Assert.Single(process.Links).Context.SpanId);
        Assert.Equal(reply.SpanId, Assert.Single(call.Links).Context.SpanId);
        Assert.Equal("publish", reply.DisplayName); // the reply queue's name is the broker's
    }

    [Fact]
    public async Task A_call_with_many_replies_is_one_span_until_its_loop_ends_and_its_server_is_in_its_trace()
    {
        AmqpClient amqp = await ConnectAsync();
        await DeclareAsync(amqp, "prices");
        await amqp.ServeManyAsync("prices", (_, _) => AsyncEnumerable.Repeat(new AmqpMessage(), 3),
            cancellationToken: Cancelled);
        using var spans = new Spans();
        using TestMeters.Hearing heard = Meters.Listen();
        using Activity request = Source.StartActivity("request")!;
        await foreach (AmqpReply _ in amqp.CallManyAsync(AmqpMessage.ToQueue("prices", []),
            cancellationToken: Cancelled))
            Assert.Same(request, Activity.Current); // what the loop does is not within the call
        await foreach (AmqpReply _ in amqp.CallManyAsync(AmqpMessage.ToQueue("prices", []),
            cancellationToken: Cancelled))
            break;
        await Assert.ThrowsAsync<AmqpReturnedException>(async () => await amqp.CallManyAsync(
            AmqpMessage.ToQueue("nowhere", []), cancellationToken: Cancelled).ToListAsync(Cancelled));
        await UntilAsync(() => spans.Named("process").Count == 2);

        IReadOnlyList<Activity> calls = spans.Named("call_many");
        Assert.Equal(
            [("call_many prices", "confirmed", 3L, null), ("call_many prices", "confirmed", 1L, null),
                ("call_many nowhere", "returned", 0L, "no-route")],
            calls.Select(call => (call.DisplayName, call.GetTagItem("safeamqp.outcome"),
                call.GetTagItem("safeamqp.call.replies"), call.GetTagItem("error.type"))));
        Assert.All(calls, call => Assert.Equal((ActivityKind.Client, request.SpanId), (call.Kind, call.ParentSpanId)));
        Assert.Equal(calls.Take(2).Select(call => call.SpanId),
            spans.Named("process").Select(process => process.ParentSpanId));
        Assert.DoesNotContain(spans.Named("publish"), publish => publish.ParentSpanId == request.SpanId);
        Assert.Equal(3, heard.Sum("messaging.client.sent.messages", ("messaging.operation.name", "call_many")));
        Assert.Equal(1, heard.Sum("safeamqp.rpc.unroutable"));
    }

    [Fact]
    public async Task A_handler_of_requests_that_fails_marks_the_span_of_the_server_and_that_of_the_caller()
    {
        AmqpClient amqp = await ConnectAsync();
        await DeclareAsync(amqp, "price");
        await amqp.ServeAsync(
            "price", (_, _) => throw new InvalidOperationException("broken"), cancellationToken: Cancelled);
        using var spans = new Spans();
        using TestMeters.Hearing heard = Meters.Listen();
        await Assert.ThrowsAsync<AmqpRemoteException>(
            async () => await amqp.CallAsync(AmqpMessage.ToQueue("price", []), cancellationToken: Cancelled));
        await UntilAsync(() => spans.Named("process").Count == 1);
        Assert.Equal(
            ("System.InvalidOperationException", ActivityStatusCode.Error),
            (spans.One("process").GetTagItem("error.type"), spans.One("process").Status));
        Assert.Equal(
            ("SafeAmqp.AmqpRemoteException", ActivityStatusCode.Error),
            (spans.One("call").GetTagItem("error.type"), spans.One("call").Status));
        Assert.Equal(
            "System.InvalidOperationException", Assert.Single(heard["messaging.process.duration"])["error.type"]);
    }

    [Fact]
    public async Task A_call_that_reaches_no_queue_is_counted_as_unroutable_and_one_without_a_reply_as_timed_out()
    {
        AmqpClient amqp = await ConnectAsync();
        await DeclareAsync(amqp, "silence");
        using var spans = new Spans();
        using TestMeters.Hearing heard = Meters.Listen();
        await Assert.ThrowsAsync<AmqpReturnedException>(
            async () => await amqp.CallAsync(AmqpMessage.ToQueue("nowhere", []), cancellationToken: Cancelled));
        await Assert.ThrowsAsync<AmqpNoReplyException>(async () => await amqp.CallAsync(
            AmqpMessage.ToQueue("silence", []),
            new AmqpCallOptions { Timeout = TimeSpan.FromSeconds(3) },
            Cancelled));
        Assert.Equal([("returned", "no-route"), ("confirmed", "timeout")], spans.Named("call")
            .Select(span => ((string)span.GetTagItem("safeamqp.outcome")!, (string)span.GetTagItem("error.type")!)));
        Assert.Equal(1, heard.Sum("safeamqp.rpc.unroutable"));
        Assert.Equal(2, heard.Sum("messaging.client.sent.messages", ("messaging.operation.name", "call")));
    }

    [Fact]
    public async Task The_span_of_a_cancelled_call_says_what_was_known_of_its_request()
    {
        AmqpClient amqp = await ConnectAsync();
        await DeclareAsync(amqp, "silence");
        await DeclareAsync(amqp, "echo");
        await amqp.ServeAsync("echo", (request, _) => new(request.Message), cancellationToken: Cancelled);
        await amqp.CallAsync(AmqpMessage.ToQueue("echo", []), cancellationToken: Cancelled); // its reply queue is there
        using var spans = new Spans();
        using TestMeters.Hearing heard = Meters.Listen();

        await CancelAsync(Call, () => Requests() == 1 && amqp.Status.Links[0].UnconfirmedMessages == 0);
        await CancelAsync(CallMany, () => Requests() == 2 && amqp.Status.Links[0].UnconfirmedMessages == 0);
        await Broker.PauseAsync();
        await CancelAsync(Call, () => amqp.Status.Links[0].UnconfirmedMessages == 1);
        await Broker.ResumeAsync();
        await BlockAsync(amqp);
        await CancelAsync(Call, () => amqp.Status.Links[0].QueuedMessages == 1);
        await CancelAsync(CallMany, () => amqp.Status.Links[0].QueuedMessages == 1);
        Broker.Unblock();

        Assert.Equal(["confirmed", "unknown", "not_sent"], Outcomes("call"));
        Assert.Equal(["confirmed", "not_sent"], Outcomes("call_many"));
        Assert.Equal(2, heard.Sum("messaging.client.sent.messages", ("messaging.operation.name", "call")));
        Assert.Equal(1, heard.Sum("messaging.client.sent.messages", ("messaging.operation.name", "call_many")));

        int Requests() => Broker.LookAsync(view => view.ReadyCount("silence")).GetAwaiter().GetResult();

        IEnumerable<object?> Outcomes(string name)
            => spans.Named(name).Select(span => span.GetTagItem("safeamqp.outcome"));

        async Task Call(CancellationToken token)
            => await amqp.CallAsync(AmqpMessage.ToQueue("silence", []), cancellationToken: token);

        async Task CallMany(CancellationToken token)
            => await amqp.CallManyAsync(AmqpMessage.ToQueue("silence", []), cancellationToken: token)
                .ToListAsync(Cancelled);

        async Task CancelAsync(Func<CancellationToken, Task> call, Func<bool> isReached)
        {
            using var source = new CancellationTokenSource();
            Task calling = call(source.Token);
            await UntilAsync(isReached);
            await source.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => calling);
        }
    }
}
