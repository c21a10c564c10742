using System.Net;
using System.Net.Http.Json;
using ChildPrograms;
using RecipeService.Tests.Support;

namespace RecipeService.Tests.WithBroker;

public sealed class TelemetryTests(Broker broker)
{
    private const string Listening = "Now listening on: ";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    [Fact]
    public async Task A_request_its_call_the_handler_and_the_answer_are_one_trace_over_two_processes_with_metrics()
    {
        await using Collector collector = await Collector.StartAsync();
        var settings = RecipeSystem.SettingsFor(broker.Uri).Where(setting => setting.Value is not null)
            .Select(setting => KeyValuePair.Create(setting.Key, setting.Value!))
            .Concat(collector.Environment)
            .Append(new("ASPNETCORE_URLS", "http://127.0.0.1:0")).Append(new("DOTNET_gcServer", "0")).ToDictionary();
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        patience.CancelAfter(Patience);
        await using var worker = ChildProgram.Start("analysis worker", "RecipeWorkers", ["ai"], settings);
        await using var service = ChildProgram.Start("web service", "RecipeService", [], settings);
        string line = await service.LineAsync(Listening, patience.Token);
        using var http = new HttpClient
        {
            BaseAddress = new Uri(
                line[(line.IndexOf(Listening, StringComparison.Ordinal) + Listening.Length)..].Trim()),
            Timeout = Patience
        };
        await worker.LineAsync("Application started", patience.Token);
        await Until.TrueAsync(
            async () => (await http.GetAsync("/health/ready", patience.Token)).StatusCode == HttpStatusCode.OK,
            "the service is ready",
            Patience);

        using var answer = await http.PostAsJsonAsync(
            "/api/ai/analyze-recipe", new { user_input = "soup with 1 onion" }, patience.Token);
        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);

        string queue = settings["AI_QUEUE_NAME"];
        ReceivedSpan? call = null, request = null, process = null, reply = null;
        await Until.TrueAsync(() =>
        {
            IReadOnlyList<ReceivedSpan> spans = collector.Spans;
            call = spans.SingleOrDefault(span => span.Name == $"call {queue}");
            request = spans.SingleOrDefault(span => span.SpanId == call?.ParentId);
            process = spans.SingleOrDefault(span => span.ParentId == call?.SpanId);
            // to a queue that the broker named
            reply = spans.SingleOrDefault(span => span.ParentId == process?.SpanId && span.Name == "publish");
            return Task.FromResult(request is not null && reply is not null);
        }, "the spans came", Patience);
        Assert.All([request!, call!, process!, reply!], span => Assert.Equal(call!.TraceId, span.TraceId));
        Assert.Equal($"process {queue}", process!.Name);
        Assert.Equal(
            ["recipe-service", "recipe-service", "recipe-workers", "recipe-workers"],
            [request!.Service, call!.Service, process.Service, reply!.Service]);
        Assert.Equal(
            ["Microsoft.AspNetCore", "SafeAmqp", "SafeAmqp", "SafeAmqp"],
            [request.Scope, call.Scope, process.Scope, reply.Scope]);

        (string, string, string)[] expected =
        [
            ("recipe-service", "messaging.client.operation.duration", "s"),
            ("recipe-service", "messaging.client.sent.messages", "{message}"),
            ("recipe-workers", "messaging.process.duration", "s"),
            ("recipe-workers", "messaging.client.consumed.messages", "{message}"),
            ("recipe-service", "safeamqp.connection.state", "{link}"),
            ("recipe-workers", "safeamqp.actor.loop.busy", "s"),
        ];
        await Until.TrueAsync(() => Task.FromResult(
            expected.All(metric => collector.Metrics.GetValueOrDefault((metric.Item1, metric.Item2)) == metric.Item3)),
            "the metrics came", Patience);
    }
}
