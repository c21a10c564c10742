using System.Net;
using System.Text;
using RecipeService.Tests.Support;

namespace RecipeService.Tests.WithBroker;

/// <summary>
/// What cannot be read is rejected without requeue: it is gone, and its consumer goes on.
/// </summary>
public sealed class UnparsableTests(Broker broker)
{
    private static readonly string[] Garbage = ["", "no json", "[1,2]", "\"text\"", "{\"job_id\":", "null"];

    [Fact]
    public async Task The_analysis_worker_rejects_it_and_goes_on()
    {
        await using var system = await RecipeSystem.StartAsync(broker.Uri, ["ai"]);
        await using var peer = await Peer.ConnectAsync(broker.Uri);

        foreach (string text in Garbage)
            await peer.SendAsync(system["AI_QUEUE_NAME"], text);
        var answer = await system.Service.PostAsync("/api/ai/analyze-recipe", new { user_input = "soup with 1 onion" });

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        await AssertGoneAsync(system, peer, "AI_QUEUE_NAME");
    }

    [Fact]
    public async Task The_crawler_rejects_it_and_goes_on()
    {
        await using var system = await RecipeSystem.StartAsync(broker.Uri, ["crawler"]);
        await using var peer = await Peer.ConnectAsync(broker.Uri);

        foreach (string text in Garbage)
            await peer.SendAsync(system["RABBITMQ_CRAWLING_REQUEST_QUEUE"], text);

        Assert.Equal(HttpStatusCode.OK, (await system.Service.PostAsync("/api/crawling/ping")).Status);
        await AssertGoneAsync(system, peer, "RABBITMQ_CRAWLING_REQUEST_QUEUE");
    }

    [Fact]
    public async Task The_service_rejects_answers_that_are_none_and_goes_on()
    {
        await using var system = await RecipeSystem.StartAsync(broker.Uri, ["crawler"]);
        await using var peer = await Peer.ConnectAsync(broker.Uri);
        string[] garbage = [
            .. Garbage, """{"action":"crawl_result","job_id":null,"status":"done"}""", """{"status":"done"}"""];

        foreach (string text in garbage)
            await peer.SendAsync(system["RABBITMQ_CRAWLING_RESPONSE_QUEUE"], text);

        Assert.Equal(HttpStatusCode.OK, (await system.Service.PostAsync("/api/crawling/ping")).Status);
        await Until.TrueAsync(() => Task.FromResult(Rejected() >= garbage.Length), "every one was rejected");
        Assert.Equal(garbage.Length, Rejected()); // once each: none came round again

        int Rejected() => system.Service.Lines.All.Count(
            line => line.StartsWith("Crawling response rejected", StringComparison.Ordinal));
    }

    // Without a consumer, what was requeued would lie before the message that is sent now.
    private static async Task AssertGoneAsync(RecipeSystem system, Peer peer, string queue)
    {
        await system.StopWorkersAsync();
        await peer.SendAsync(system[queue], "the next");
        var next = await (await peer.TakeAsync(system[queue])).NextAsync();
        Assert.Equal("the next", Encoding.UTF8.GetString(next.Body.Span));
    }
}
