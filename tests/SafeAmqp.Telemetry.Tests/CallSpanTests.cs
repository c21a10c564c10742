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
    public async Task A_call_to_nobody_is_counted_as_unroutable_and_one_without_a_reply_says_time_out()
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
}
