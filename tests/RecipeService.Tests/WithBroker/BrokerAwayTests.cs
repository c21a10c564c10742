using System.Net;
using RecipeService.Tests.Support;

namespace RecipeService.Tests.WithBroker;

public sealed class BrokerAwayTests(Broker broker)
{
    [Fact]
    public async Task A_broker_that_goes_away_is_503_and_the_service_goes_on_when_it_is_back()
    {
        await using var relay = new Relay(broker.Uri);
        await using var system = await RecipeSystem.StartAsync(
            relay.Uri, ["ai", "crawler"], ("BROKER_GRACE_SECONDS", "0.2"));
        Assert.Equal(HttpStatusCode.OK, (await system.Service.PostAsync("/api/crawling/ping")).Status);

        relay.Cut();
        await Until.TrueAsync(async () => await SendLinkStateAsync(system) != "open", "the service has noticed");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await system.Service.GetAsync("/health/ready")).Status);
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await system.Service.PostAsync("/api/crawling/ping")).Status);
        var answer = await system.Service.PostAsync("/api/ai/analyze-recipe", new { user_input = "soup with 1 onion" });
        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.Status);
        Assert.Equal("application/problem+json", answer.ContentType);
        Assert.Equal("not_sent", answer["outcome"]);
        Assert.Equal("True", answer["safe_to_repeat"]);
        Assert.Equal(HttpStatusCode.OK, (await system.Service.GetAsync("/health/live")).Status);

        relay.Restore();
        await system.ReadyAsync();
        Assert.Equal(HttpStatusCode.OK, (await system.Service.PostAsync("/api/crawling/ping")).Status);
        Assert.Equal(HttpStatusCode.OK, (await system.Service.PostAsync(
            "/api/ai/analyze-recipe", new { user_input = "soup with 1 onion" })).Status);
    }

    [Fact]
    public async Task A_broker_that_goes_away_while_an_analysis_is_waited_for_is_503_at_once_and_not_safe_to_repeat()
    {
        await using var relay = new Relay(broker.Uri);
        await using var system = await RecipeSystem.StartAsync(relay.Uri, []);
        await using var peer = await Peer.ConnectAsync(broker.Uri);
        var requests = await peer.TakeAsync(system["AI_QUEUE_NAME"]);

        var waiting = system.Service.PostAsync("/api/ai/analyze-recipe", new { user_input = "soup with 1 onion" });
        await requests.NextAsync(); // it has arrived
        relay.Cut();
        var answer = await waiting; // far within its 100 s: the queue for its reply is gone

        Assert.Equal(HttpStatusCode.ServiceUnavailable, answer.Status);
        Assert.Equal("False", answer["safe_to_repeat"]);
        Assert.Contains(answer["outcome"], new[] { "confirmed", "unknown" });
    }

    [Fact]
    public async Task A_ping_that_is_waited_for_survives_a_broker_that_goes_and_comes_back()
    {
        await using var relay = new Relay(broker.Uri);
        await using var system = await RecipeSystem.StartAsync(relay.Uri, []);
        await using var peer = await Peer.ConnectAsync(broker.Uri);
        var requests = await peer.TakeAsync(system["RABBITMQ_CRAWLING_REQUEST_QUEUE"]);
        await requests.NextAsync(); // the one of the service's start

        var waiting = system.Service.PostAsync("/api/crawling/ping");
        string? job = System.Text.Json.JsonDocument.Parse((await requests.NextAsync()).Body).RootElement
            .GetProperty("job_id")
            .GetString();
        relay.Cut();
        relay.Restore();
        await peer.SendAsync(system["RABBITMQ_CRAWLING_RESPONSE_QUEUE"],
            $$"""{"action":"task_status_update","job_id":"{{job}}","status":"done","data":null,"error":null}""");

        var answer = await waiting; // its reply queue outlives the connection
        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal(job, answer["job_id"]);
    }

    private static async Task<string?> SendLinkStateAsync(RecipeSystem system)
        => (await system.Service.GetAsync("/api/status")).Body.GetProperty("links")[0].GetProperty("state").GetString();
}
