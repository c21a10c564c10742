using System.Diagnostics;

namespace SafeAmqp.Telemetry.Tests;

/// <summary>RabbitMQ.Client has activity sources of its own.</summary>
public sealed class ForeignSpanTests : TelemetryTest
{
    private static readonly ActivitySource Source = new("test");

    private static bool Everything(string name) => name is AmqpTelemetry.ActivitySourceName or "test"
        || name.StartsWith("RabbitMQ.Client", StringComparison.Ordinal);

    [Fact]
    public async Task The_client_underneath_makes_no_spans_beside_ours_and_links_keep_no_context_of_their_first_caller()
    {
        using var spans = new Spans(Everything);
        Activity request = Source.StartActivity("request")!; // the links begin in its context, and must not keep it
        AmqpClient amqp = await ConnectAsync(options => options.Telemetry.HandlersContinueTraces = true);
        await DeclareAsync(amqp, "q");
        await amqp.ConsumeAsync("q", (_, _) => new(AmqpSettlement.Ack), cancellationToken: Cancelled);
        for (int i = 0; i < 10; i++)
            await amqp.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled);
        request.Stop();
        await UntilAsync(() => spans.Named("process").Count == 10);
        Assert.Equal(10, spans.Named("publish").Count);
        Assert.Equal(
            [AmqpTelemetry.ActivitySourceName, "test"], spans.All.Select(span => span.Source.Name).Distinct().Order());
        Assert.All(spans.Named("process"), span => Assert.Equal(request.TraceId, span.TraceId));
    }

    [Fact]
    public async Task A_message_without_a_context_of_ours_gets_none_of_theirs()
    {
        using var spans = new Spans(name => name.StartsWith("RabbitMQ.Client", StringComparison.Ordinal));
        AmqpClient amqp = await ConnectAsync();
        await DeclareAsync(amqp, "q");
        await amqp.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled);
        AmqpDelivery delivery = await PublishSpanTests.FirstAsync(amqp, "q");
        Assert.Empty(spans.All);
        Assert.False(delivery.Message.Headers!.ContainsKey("traceparent"));
    }
}
