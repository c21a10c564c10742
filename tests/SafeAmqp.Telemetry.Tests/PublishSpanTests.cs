using System.Diagnostics;

namespace SafeAmqp.Telemetry.Tests;

public sealed class PublishSpanTests : TelemetryTest
{
    private static readonly ActivitySource Source = new("test");

    [Fact]
    public async Task A_publish_is_one_span_named_and_tagged_by_the_conventions_that_ends_with_the_confirm()
    {
        AmqpClient amqp = await ConnectAsync(options => options.Telemetry.BodySize = true);
        await amqp.DeclareAsync(new AmqpTopology().With(new AmqpExchange { Name = "news", Type = "topic" })
            .With(new AmqpQueue { Name = "all" }).Bind("news", "#").ToQueue("all"), Cancelled);
        using var spans = new Spans();
        using FaultScript held = Broker.Script(
            FaultTrigger.Publish(), FaultAction.DelayConfirm(TimeSpan.FromMilliseconds(200)));
        await amqp.PublishAsync(new AmqpMessage
        {
            Exchange = "news",
            RoutingKey = "a.b",
            Body = new byte[7],
            MessageId = "m1",
            CorrelationId = "c1"
        }, Cancelled);

        Activity span = spans.One("publish");
        Assert.Equal(
            ("publish news:a.b", ActivityKind.Producer, ActivityStatusCode.Unset),
            (span.DisplayName, span.Kind, span.Status));
        Assert.InRange(span.Duration, TimeSpan.FromMilliseconds(150), TimeSpan.FromMinutes(1));
        Assert.Equal(new Dictionary<string, object?>
        {
            ["messaging.system"] = "rabbitmq",
            ["messaging.operation.name"] = "publish",
            ["messaging.operation.type"] = "send",
            ["messaging.destination.name"] = "news:a.b",
            ["messaging.rabbitmq.destination.routing_key"] = "a.b",
            ["messaging.message.id"] = "m1",
            ["messaging.message.conversation_id"] = "c1",
            ["messaging.message.body.size"] = 7,
            ["messaging.client.id"] = "tested",
            ["server.address"] = "127.0.0.1",
            ["server.port"] = Broker.Port,
            ["network.peer.address"] = "127.0.0.1",
            ["network.peer.port"] = Broker.Port,
            ["safeamqp.outcome"] = "confirmed",
        }.OrderBy(tag => tag.Key), span.TagObjects.OrderBy(tag => tag.Key));
        Assert.Equal((AmqpTelemetry.ActivitySourceName, "SafeAmqp"), (span.Source.Name, AmqpTelemetry.MeterName));
    }

    [Theory]
    [InlineData("returned", "no-route")]
    [InlineData("nacked", "nack")]
    [InlineData("refused", "not-found")]
    [InlineData("unknown", "SafeAmqp.AmqpUnknownOutcomeException")]
    [InlineData("not_sent", "timeout")]
    public async Task A_publish_that_is_not_confirmed_says_what_became_of_it_and_why(string outcome, string errorType)
    {
        AmqpClient amqp = await ConnectAsync(
            options => options.PublishTimeout = TimeSpan.FromSeconds(outcome == "not_sent" ? 0.3 : 10));
        await DeclareAsync(amqp, "q");
        if (outcome == "not_sent")
            await BlockAsync(amqp);
        using var spans = new Spans();
        using TestMeters.Hearing heard = Meters.Listen();
        string exchange = "", key = "q";
        switch (outcome)
        {
            case "returned":
                key = "nowhere";
                break;
            case "nacked":
                _ = Broker.Script(FaultTrigger.Publish(), FaultAction.Nack());
                break;
            case "refused":
                exchange = "missing";
                break;
            case "unknown":
                _ = Broker.Script(FaultTrigger.Publish(), FaultAction.Reset());
                break;
        }

        var error = await Assert.ThrowsAnyAsync<AmqpException>(
            async () => await amqp.PublishAsync(new AmqpMessage { Exchange = exchange, RoutingKey = key }, Cancelled));

        Activity span = spans.One("publish");
        Assert.Equal((outcome, errorType), (span.GetTagItem("safeamqp.outcome"), span.GetTagItem("error.type")));
        Assert.Equal((ActivityStatusCode.Error, error.Message), (span.Status, span.StatusDescription));
        Assert.Contains(span.Events, e => e.Name == "exception");
        Assert.Equal(1, heard.Sum("safeamqp.publish.outcomes", ("safeamqp.outcome", outcome)));
        Assert.Equal(
            outcome == "not_sent" ? 0 : 1, heard.Sum("messaging.client.sent.messages", ("error.type", errorType)));
        Assert.Equal(errorType, Assert.Single(heard["messaging.client.operation.duration"])["error.type"]);
    }

    [Fact]
    public async Task A_cancelled_publish_was_not_sent()
    {
        AmqpClient amqp = await ConnectAsync();
        await BlockAsync(amqp);
        using var spans = new Spans();
        using var cancel = new CancellationTokenSource();
        ValueTask publish = amqp.PublishAsync(AmqpMessage.ToQueue("q", []), cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await publish);
        Assert.Equal(
            ("not_sent", "System.OperationCanceledException"),
            (spans.One("publish").GetTagItem("safeamqp.outcome"), spans.One("publish").GetTagItem("error.type")));
    }

    [Fact]
    public async Task The_callers_span_is_the_parent_and_the_publish_travels_in_headers_of_a_copy_of_the_message()
    {
        AmqpClient amqp = await ConnectAsync();
        await DeclareAsync(amqp, "q");
        using var spans = new Spans();
        var headers = new Dictionary<string, object?> { ["mine"] = "x" };
        ActivityContext caller;
        using (Activity request = Source.StartActivity("request")!)
        {
            request.TraceStateString = "vendor=1";
            request.AddBaggage("tenant", "7");
            caller = request.Context;
            await amqp.PublishAsync(AmqpMessage.ToQueue("q", []) with { Headers = headers }, Cancelled);
            Assert.Same(request, Activity.Current);
        }
        Activity span = spans.One("publish");
        Assert.Equal((caller.TraceId, caller.SpanId), (span.TraceId, span.ParentSpanId));

        AmqpDelivery delivery = await FirstAsync(amqp, "q");
        Assert.Equal($"00-{span.TraceId}-{span.SpanId}-01", delivery.Message.Headers!["traceparent"]);
        Assert.Equal("vendor=1", delivery.Message.Headers["tracestate"]);
        Assert.Contains("tenant", (string)delivery.Message.Headers["baggage"]!, StringComparison.Ordinal);
        Assert.Equal("x", delivery.Message.Headers["mine"]);
        Assert.Single(headers);
    }

    [Fact]
    public async Task A_callers_own_context_in_the_headers_is_kept_and_linked()
    {
        AmqpClient amqp = await ConnectAsync();
        await DeclareAsync(amqp, "q");
        using var spans = new Spans();
        const string Own = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        using (Source.StartActivity("request"))
            await amqp.PublishAsync(AmqpMessage.ToQueue("q", []) with
            {
                Headers = new Dictionary<string, object?> { ["traceparent"] = Own }
            }, Cancelled);

        AmqpDelivery delivery = await FirstAsync(amqp, "q");
        // nor a state or baggage of somebody else beside it
        Assert.Equal(Own, Assert.Single(delivery.Message.Headers!).Value);
        Assert.Equal("b7ad6b7169203331", Assert.Single(spans.One("publish").Links).Context.SpanId.ToHexString());
    }

    [Fact]
    public async Task A_span_that_is_not_sampled_passes_the_callers_context_on()
    {
        AmqpClient amqp = await ConnectAsync();
        await DeclareAsync(amqp, "q");
        using var spans = new Spans(sample: (ref ActivityCreationOptions<ActivityContext> options) =>
            options.Source.Name == "test" ? ActivitySamplingResult.AllDataAndRecorded : ActivitySamplingResult.None);
        string id;
        using (Activity request = Source.StartActivity("request")!)
        {
            id = request.Id!;
            await amqp.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled);
        }
        Assert.Empty(spans.Named("publish"));
        Assert.Equal(id, (await FirstAsync(amqp, "q")).Message.Headers!["traceparent"]);
    }

    [Fact]
    public async Task What_a_sampler_needs_is_there_when_the_span_begins()
    {
        AmqpClient amqp = await ConnectAsync();
        await DeclareAsync(amqp, "q");
        Dictionary<string, object?> atCreation = [];
        using var spans = new Spans(
            name => name == AmqpTelemetry.ActivitySourceName, (ref ActivityCreationOptions<ActivityContext> options) =>
        {
            foreach (var (key, value) in options.Tags ?? [])
                atCreation[key] = value;
            return ActivitySamplingResult.AllDataAndRecorded;
        });
        await amqp.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled);
        Assert.Equal(
            ["messaging.destination.name", "messaging.operation.name", "messaging.operation.type", "messaging.system",
                "server.address", "server.port"],
            atCreation.Keys.Order());
    }

    [Fact]
    public async Task A_post_ends_when_it_is_handed_over()
    {
        AmqpClient amqp = await ConnectAsync();
        using var spans = new Spans();
        await amqp.PostAsync(AmqpMessage.ToQueue("nowhere", []), Cancelled);
        Assert.Equal("handed_over", spans.One("publish").GetTagItem("safeamqp.outcome"));
    }

    [Theory]
    [InlineData("", "", "publish amq.default", "amq.default")]
    [InlineData("", "q", "publish q", "q")]
    [InlineData("amq.fanout", "", "publish amq.fanout", "amq.fanout")]
    [InlineData("amq.topic", "k", "publish amq.topic:k", "amq.topic:k")]
    [InlineData("", "amq.gen-abc", "publish", "amq.gen-abc")]
    [InlineData("", "safeamqp.replies.abc", "publish", "safeamqp.replies.abc")]
    public async Task A_destination_is_named_as_the_conventions_say(
        string exchange, string key, string name, string destination)
    {
        AmqpClient amqp = await ConnectAsync();
        using var spans = new Spans();
        await amqp.PostAsync(new AmqpMessage { Exchange = exchange, RoutingKey = key, Mandatory = false }, Cancelled);
        Activity span = spans.One("publish");
        bool anonymous = name == "publish";
        Assert.Equal((name, destination), (span.DisplayName, span.GetTagItem("messaging.destination.name")));
        Assert.Equal((anonymous ? true : null, anonymous ? true : null), (
            (bool?)span.GetTagItem("messaging.destination.anonymous"),
            (bool?)span.GetTagItem("messaging.destination.temporary")));
    }

    [Fact]
    public async Task A_batch_is_a_span_for_each_message_and_one_for_the_sending_with_links_to_them()
    {
        AmqpClient amqp = await ConnectAsync();
        await DeclareAsync(amqp, "q");
        using var spans = new Spans();
        using TestMeters.Hearing heard = Meters.Listen();
        var message = AmqpMessage.ToQueue("q", []);
        await amqp.PublishAllAsync([message, message, AmqpMessage.ToQueue("nowhere", [])], Cancelled);

        IReadOnlyList<Activity> created = spans.Named("create");
        Assert.Equal(["create q", "create q", "create nowhere"], created.Select(span => span.DisplayName));
        Assert.All(created, span =>
            Assert.Equal((ActivityKind.Producer, "create"), (span.Kind, span.GetTagItem("messaging.operation.type"))));
        Activity sent = spans.One("publish");
        Assert.Equal(
            ("publish", ActivityKind.Client, 3, "mixed", "no-route"),
            (sent.DisplayName, sent.Kind, sent.GetTagItem("messaging.batch.message_count"),
                sent.GetTagItem("safeamqp.outcome"), sent.GetTagItem("error.type")));
        Assert.StartsWith(
            "1 of 3 messages were not confirmed; the first: ", sent.StatusDescription, StringComparison.Ordinal);
        Assert.Equal(created.Select(span => span.SpanId), sent.Links.Select(link => link.Context.SpanId));
        Assert.Equal((2, 1), (
            heard.Sum("safeamqp.publish.outcomes", ("safeamqp.outcome", "confirmed")),
            heard.Sum("safeamqp.publish.outcomes", ("safeamqp.outcome", "returned"))));
        Assert.Equal(
            created[0].SpanId.ToHexString(),
            ((string)(await FirstAsync(amqp, "q")).Message.Headers!["traceparent"]!).Split('-')[2]);
    }

    [Fact]
    public async Task A_batch_without_spans_for_its_messages_is_one_producer_whose_context_they_carry()
    {
        AmqpClient amqp = await ConnectAsync(options => options.Telemetry.SpanPerMessageOfBatch = false);
        await DeclareAsync(amqp, "q");
        using var spans = new Spans();
        await amqp.PublishAllAsync([AmqpMessage.ToQueue("q", []), AmqpMessage.ToQueue("q", [])], Cancelled);
        Activity sent = Assert.Single(spans.All, span => span.Source.Name == AmqpTelemetry.ActivitySourceName);
        Assert.Equal(
            ("publish q", ActivityKind.Producer, "confirmed"),
            (sent.DisplayName, sent.Kind, sent.GetTagItem("safeamqp.outcome")));
        Assert.Equal(sent.Id, (await FirstAsync(amqp, "q")).Message.Headers!["traceparent"]);
    }

    internal static async Task<AmqpDelivery> FirstAsync(AmqpClient amqp, string queue)
    {
        await foreach (AmqpDelivery delivery in amqp.ReadAllAsync(queue, cancellationToken: Cancelled))
            return delivery;
        throw new InvalidOperationException();
    }
}
