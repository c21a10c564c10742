using System.Collections.Concurrent;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;

namespace RecipeService.Tests.Support;

/// <summary>A span as it came by OTLP.</summary>
internal sealed record ReceivedSpan(
    string Service, string Scope, string TraceId, string SpanId, string ParentId, string Name);

/// <summary>A collector on loopback: takes OTLP over HTTP as protobuf and keeps what the tests look at.</summary>
internal sealed class Collector : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ConcurrentQueue<ReceivedSpan> _spans = [];
    private readonly ConcurrentDictionary<(string Service, string Metric), string> _metrics = [];

    private Collector(WebApplication app) => _app = app;

    public IReadOnlyList<ReceivedSpan> Spans => [.. _spans];

    /// <summary>The units of the metrics that came.</summary>
    public IReadOnlyDictionary<(string Service, string Metric), string> Metrics => _metrics;

    /// <summary>What makes a program send here.</summary>
    public Dictionary<string, string> Environment => new()
    {
        ["OTEL_EXPORTER_OTLP_ENDPOINT"] = _app.Urls.Single(),
        ["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf",
        ["OTEL_BSP_SCHEDULE_DELAY"] = "200",
        ["OTEL_METRIC_EXPORT_INTERVAL"] = "500",
    };

    public static async Task<Collector> StartAsync()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Configuration["urls"] = "http://127.0.0.1:0";
        builder.Logging.ClearProviders();
        var collector = new Collector(builder.Build());
        collector._app.MapPost("/v1/traces", request => TakeAsync(request, collector.TakeTraces));
        collector._app.MapPost("/v1/metrics", request => TakeAsync(request, collector.TakeMetrics));
        await collector._app.StartAsync(TestContext.Current.CancellationToken);
        return collector;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private static async Task TakeAsync(HttpContext context, Action<ProtobufMessage> take)
    {
        using var body = new MemoryStream();
        await context.Request.Body.CopyToAsync(body);
        take(ProtobufMessage.Read(body.ToArray()));
        context.Response.ContentType = "application/x-protobuf"; // an empty message: all was taken
    }

    // Field numbers: opentelemetry-proto, trace/v1 and metrics/v1.
    private void TakeTraces(ProtobufMessage request)
    {
        foreach (var (service, scope, group) in Scopes(request))
        {
            foreach (ProtobufMessage span in group.Messages(2))
                _spans.Enqueue(new ReceivedSpan(service, scope, span.Hex(1), span.Hex(2), span.Hex(4), span.Text(5)));
        }
    }

    private void TakeMetrics(ProtobufMessage request)
    {
        foreach (var (service, _, group) in Scopes(request))
        {
            foreach (ProtobufMessage metric in group.Messages(2))
                _metrics[(service, metric.Text(1))] = metric.Text(3);
        }
    }

    private static IEnumerable<(string Service, string Scope, ProtobufMessage Group)> Scopes(ProtobufMessage request)
    {
        foreach (ProtobufMessage resource in request.Messages(1))
        {
            string service = resource.Messages(1).SelectMany(r => r.Messages(1))
                .First(attribute => attribute.Text(1) == "service.name").Messages(2).First().Text(1);
            foreach (ProtobufMessage group in resource.Messages(2))
                yield return (service, group.Messages(1).First().Text(1), group);
        }
    }
}
