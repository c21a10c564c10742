using System.Text;
using System.Text.Json;
using RecipeService.Tests.Support;

namespace RecipeService.Tests.WithBroker;

/// <summary>The workers as a service of another make sees them.</summary>
public sealed class WorkerTests(Broker broker)
{
    [Fact]
    public async Task An_analysis_is_answered_to_its_reply_to_with_its_correlation_id()
    {
        await using var system = await RecipeSystem.StartAsync(broker.Uri, ["ai"]);
        await using var peer = await Peer.ConnectAsync(broker.Uri);
        var replies = await peer.TakeFromOwnQueueAsync(out string? replyTo);

        await peer.SendAsync(system["AI_QUEUE_NAME"], """{"user_input":"Pancakes: 300 g flour"}""", "my id", replyTo);
        var good = await replies.NextAsync();
        await peer.SendAsync(system["AI_QUEUE_NAME"], """{"user_input":""}""", "my other id", replyTo);
        var bad = await replies.NextAsync();

        Assert.Equal("my id", good.CorrelationId);
        Assert.True(JsonDocument.Parse(good.Body).RootElement.GetProperty("success").GetBoolean());
        Assert.Equal("my other id", bad.CorrelationId);
        Assert.StartsWith(
            """{"success":false,"error":""", Encoding.UTF8.GetString(bad.Body.Span), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_answer_that_is_not_waited_for_does_not_hold_up_the_next()
    {
        await using var system = await RecipeSystem.StartAsync(broker.Uri, ["ai"]);
        await using var peer = await Peer.ConnectAsync(broker.Uri);
        var replies = await peer.TakeFromOwnQueueAsync(out string? replyTo);

        await peer.SendAsync(
            system["AI_QUEUE_NAME"], """{"user_input":"soup with 1 onion"}""", "gone", $"gone-{Guid.NewGuid():N}");
        await peer.SendAsync(system["AI_QUEUE_NAME"], """{"user_input":"soup with 1 onion"}""");
        await peer.SendAsync(system["AI_QUEUE_NAME"], """{"user_input":"soup with 1 onion"}""", "mine", replyTo);

        Assert.Equal("mine", (await replies.NextAsync()).CorrelationId);
    }
}
