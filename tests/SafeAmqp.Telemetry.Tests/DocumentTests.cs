using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Reflection;
using Microsoft.Extensions.Logging;

namespace SafeAmqp.Telemetry.Tests;

/// <summary>Holds docs/TELEMETRY.md against what is reported.</summary>
public sealed class DocumentTests : TelemetryTest
{
    [Fact]
    public async Task Every_instrument_has_the_name_kind_unit_and_attributes_that_stand_there()
    {
        using TestMeters.Hearing heard = Meters.Listen();
        await DoEverythingAsync(heard);
        var table = Document.Table("instrument").ToDictionary(
            row => Document.Quoted(row[0]).Single(),
            row => (Kind: row[1], Unit: row[2], Attributes: Document.Quoted(row[3]).Order().ToList()));

        Assert.Equal(table.Keys.Order(), heard.Instruments.Select(instrument => instrument.Name).Order());
        Assert.All(heard.Instruments, instrument => Assert.Equal(
            (table[instrument.Name].Kind, table[instrument.Name].Unit), (Kind(instrument), instrument.Unit)));
        Assert.All(heard.Instruments, instrument => Assert.False(string.IsNullOrEmpty(instrument.Description)));
        Assert.All(heard.Instruments, instrument => Assert.Equal(AmqpTelemetry.MeterName, instrument.Meter.Name));
        Assert.All(table.Keys, name => Assert.Equal(
            table[name].Attributes, heard[name].SelectMany(measured => measured.Tags.Keys).Distinct().Order()));
    }

    [Fact]
    public async Task The_histograms_of_the_conventions_advise_their_buckets()
    {
        using TestMeters.Hearing heard = Meters.Listen(instrument => instrument is Histogram<double>);
        await ConnectAsync();
        double[] buckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
        Assert.All(
            heard.Instruments.Where(instrument => instrument.Name.StartsWith("messaging.", StringComparison.Ordinal)),
            instrument => Assert.Equal(buckets, ((Histogram<double>)instrument).Advice!.HistogramBucketBoundaries));
        Assert.All(
            heard.Instruments,
            instrument => Assert.NotEmpty(((Histogram<double>)instrument).Advice!.HistogramBucketBoundaries!));
    }

    [Fact]
    public async Task Every_span_has_the_name_kind_and_attributes_that_stand_there()
    {
        using var spans = new Spans(name => name == AmqpTelemetry.ActivitySourceName);
        await DoEverythingAsync(null);
        var table = Document.Table("span").Select(row => (Kind: row[1], Operation: Document.Quoted(row[2])))
            .Select(row => (row.Kind, row.Operation[0], row.Operation[1])).Order();
        Assert.Equal(table.Distinct(), spans.All.Select(span => (
            span.Kind.ToString().ToLowerInvariant(),
            (string)span.GetTagItem("messaging.operation.name")!,
            (string)span.GetTagItem("messaging.operation.type")!)).Distinct().Order());
        Assert.Equal(
            Document.Table("attribute").Select(row => Document.Quoted(row[0]).Single()).Order(),
            spans.All.SelectMany(span => span.TagObjects.Select(tag => tag.Key)).Distinct().Order());
    }

    [Fact]
    public void Every_log_line_has_the_id_and_level_that_stand_there()
    {
        var lines = typeof(AmqpClient).Assembly.GetTypes()
            .SelectMany(type => type.GetMethods(BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public))
            .Select(method => method.GetCustomAttribute<LoggerMessageAttribute>())
            .OfType<LoggerMessageAttribute>().Select(line => $"{line.EventId} {line.Level}").ToList();
        Assert.True(lines.Count > 20);
        Assert.Equal(lines.Count, lines.Distinct().Count());
        Assert.Equal(Document.Table("id").Select(row => $"{row[0]} {row[1]}").Order(), lines.Order());
    }

    private static string Kind(Instrument instrument) => instrument switch
    {
        Histogram<double> => "histogram",
        Counter<long> => "counter",
        ObservableCounter<long> or ObservableCounter<double> => "observable counter",
        ObservableUpDownCounter<long> => "level",
        ObservableGauge<long> or ObservableGauge<double> => "gauge",
        _ => instrument.GetType().Name,
    };

    // Every verb, with and without success, over a lost link; collected while something of each is there.
    private async Task DoEverythingAsync(TestMeters.Hearing? heard)
    {
        AmqpClient amqp = await ConnectAsync(options => options.Telemetry.BodySize = true);
        await amqp.DeclareAsync(new AmqpTopology().Exchange("news", AmqpExchangeType.Fanout)
            .Queue("q").Queue("held").Queue("rejected").Queue("failing").Queue("price")
            .Bind("news").ToQueue("q"), Cancelled);
        AmqpMessage message = AmqpMessage.ToQueue("q", []) with { MessageId = "m", CorrelationId = "c" };
        await amqp.PublishAsync(message, Cancelled);
        await amqp.PublishAsync(AmqpMessage.ToExchange("news", "k", []), Cancelled);
        await amqp.PostAsync(message, Cancelled);
        await amqp.PublishAllAsync([message, message], Cancelled);
        await Assert.ThrowsAsync<AmqpRefusedException>(
            async () => await amqp.PublishAsync(AmqpMessage.ToExchange("missing", "k", []), Cancelled));
        await Assert.ThrowsAsync<AmqpReturnedException>(
            async () => await amqp.PublishAsync(AmqpMessage.ToQueue("nowhere", []), Cancelled));
        await Assert.ThrowsAsync<AmqpReturnedException>(
            async () => await amqp.CallAsync(AmqpMessage.ToQueue("nowhere", []), cancellationToken: Cancelled));
        await amqp.ServeAsync("price", (_, _) => new(new AmqpMessage()), cancellationToken: Cancelled);
        await amqp.CallAsync(AmqpMessage.ToQueue("price", []), cancellationToken: Cancelled);
        await foreach (AmqpReply _ in amqp.CallManyAsync(AmqpMessage.ToQueue("price", []),
            cancellationToken: Cancelled))
        {
        }
        int read = 0;
        await foreach (AmqpDelivery _ in amqp.ReadAllAsync("q", cancellationToken: Cancelled))
        {
            if (++read == 2)
                break;
        }
        await PublishSpanTests.FirstAsync(amqp, "q"); // what was prefetched comes again
        int rejected = 0, failed = 0, handled = 0;
        await amqp.ConsumeAsync(
            "rejected",
            (_, _) => new(Interlocked.Increment(ref rejected) == 1 ? AmqpSettlement.Reject : AmqpSettlement.Ack),
            cancellationToken: Cancelled);
        await amqp.ConsumeAsync("failing", (_, _) => Interlocked.Increment(ref failed) == 1
            ? throw new InvalidOperationException("broken")
            : new(AmqpSettlement.Ack), cancellationToken: Cancelled);
        await amqp.PublishAsync(message with { RoutingKey = "rejected" }, Cancelled);
        await amqp.PublishAsync(message with { RoutingKey = "failing" }, Cancelled);
        AmqpDelivery? held = null;
        await amqp.ConsumeAsync("held", async (delivery, lost) =>
        {
            Volatile.Write(ref held, delivery);
            if (Interlocked.Increment(ref handled) == 1)
                await Task.Delay(Timeout.Infinite, lost);
            return AmqpSettlement.Ack;
        }, cancellationToken: Cancelled);
        await amqp.PublishAsync(message with { RoutingKey = "held" }, Cancelled);
        await UntilAsync(() => Volatile.Read(ref held) is not null && failed > 1 && rejected > 0
            && amqp.Status.Links[1].Consumers.Sum(consumer => consumer.Unsettled) == 1);
        heard?.Collect();
        await Broker.KillAsync(Cancelled);
        await UntilAsync(() => held!.Lost.IsCancellationRequested);
        held!.Settle(AmqpSettlement.Ack);
        await Broker.StartAgainAsync(Cancelled);
        await amqp.OpenAsync(Cancelled);
        await UntilAsync(() => heard is null || heard["safeamqp.connection.recovery.duration"].Count == 2);
    }
}
