using System.Net;
using System.Text;
using System.Text.Json;
using RecipeService.Tests.Support;

namespace RecipeService.Tests.WithBroker;

public sealed class AnalysisTests(Broker broker)
{
    [Fact]
    public async Task A_recipe_is_read_from_what_the_user_typed()
    {
        await using var system = await RecipeSystem.StartAsync(broker.Uri, ["ai"]);

        var answer = await system.Service.PostAsync(
            "/api/ai/analyze-recipe", new { user_input = "Pancakes: 300 g flour, 4 eggs, 0.5 l milk" });

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        var result = answer.Body.GetProperty("result");
        Assert.Equal("pancakes", result.GetProperty("dish").GetString(), ignoreCase: true);
        Assert.Contains(result.GetProperty("recipe").GetProperty("ingredients").EnumerateArray(), one =>
            one.GetProperty("name").GetString() == "flour" && one.GetProperty("quantity").GetDouble() == 300
                && one.GetProperty("unit").GetString() == "g");
        Assert.True(result.TryGetProperty("shopping_cart", out _) && result.TryGetProperty("conflict_warnings", out _));
    }

    [Fact]
    public async Task A_recipe_is_read_from_an_image_and_its_description()
    {
        await using var site = await Site.StartAsync();
        await using var system = await RecipeSystem.StartAsync(broker.Uri, ["ai"]);

        var answer = await system.Service.PostAsync(
            "/api/ai/analyze-image", new { s3_url = site.Image, description = "Pancakes: 300 g flour, 4 eggs" });

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal("pancakes", answer.Body.GetProperty("result").GetProperty("dish").GetString(), ignoreCase: true);
    }

    [Fact]
    public async Task What_holds_no_recipe_is_422_with_the_workers_reason()
    {
        await using var site = await Site.StartAsync();
        await using var system = await RecipeSystem.StartAsync(broker.Uri, ["ai"]);

        var answer = await system.Service.PostAsync(
            "/api/ai/analyze-image", new { s3_url = site.Start, description = "Pancakes: 300 g flour" });

        Assert.Equal(HttpStatusCode.UnprocessableEntity, answer.Status);
        Assert.Equal("application/problem+json", answer.ContentType);
        Assert.Contains("image", answer["detail"], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_worker_it_is_504_after_the_time_and_says_that_the_request_may_yet_be_worked_on()
    {
        await using var system = await RecipeSystem.StartAsync(broker.Uri, [], ("AI_TIMEOUT_SECONDS", "3"));

        var answer = await system.Service.PostAsync("/api/ai/analyze-recipe", new { user_input = "soup with 1 onion" });

        Assert.Equal(HttpStatusCode.GatewayTimeout, answer.Status);
        Assert.Equal("application/problem+json", answer.ContentType);
        Assert.Equal("confirmed", answer["outcome"]);
        Assert.Equal("False", answer["safe_to_repeat"]);
    }

    [Fact]
    public async Task On_the_wire_it_is_what_existing_workers_expect_and_their_answers_are_understood()
    {
        await using var system = await RecipeSystem.StartAsync(broker.Uri, []);
        await using var peer = await Peer.ConnectAsync(broker.Uri);
        var requests = await peer.TakeAsync(system["AI_QUEUE_NAME"]);

        // Two requests, answered the wrong way round: each answer must find its own.
        var first = system.Service.PostAsync("/api/ai/analyze-recipe", new { user_input = "first" });
        var firstMessage = await requests.NextAsync();
        var second = system.Service.PostAsync(
            "/api/ai/analyze-image", new { s3_url = "http://host/second.png", description = "second" });
        var secondMessage = await requests.NextAsync();

        Assert.Equal("""{"user_input":"first"}""", Encoding.UTF8.GetString(firstMessage.Body.Span));
        string userInput = JsonDocument.Parse(secondMessage.Body).RootElement.GetProperty("user_input").GetString()!;
        Assert.Equal("""{"s3_url":"http://host/second.png","description":"second"}""", userInput);
        Assert.Equal(firstMessage.ReplyTo, secondMessage.ReplyTo); // one callback queue, made once
        Assert.NotEqual(firstMessage.CorrelationId, secondMessage.CorrelationId);

        await peer.SendAsync(secondMessage.ReplyTo!, Result("second"), secondMessage.CorrelationId);
        await peer.SendAsync(firstMessage.ReplyTo!, Result("first"), firstMessage.CorrelationId);
        Assert.Equal("first", (await first).Body.GetProperty("result").GetProperty("dish").GetString());
        Assert.Equal("second", (await second).Body.GetProperty("result").GetProperty("dish").GetString());

        var lines = system.Service.Lines.All;
        Assert.Single(lines, line => line == $"AI callback queue created: {firstMessage.ReplyTo}");
        foreach (string? id in new[] { firstMessage.CorrelationId, secondMessage.CorrelationId })
        {
            Assert.Single(lines, line => line == $"AI request published: {id}");
            Assert.Single(lines, line => line == $"AI response received: correlation_id={id}");
        }
    }

    [Theory]
    [InlineData("no json")]
    [InlineData("[]")]
    [InlineData("""{"success":true}""")]
    public async Task A_workers_answer_that_is_none_is_502(string text)
    {
        await using var system = await RecipeSystem.StartAsync(broker.Uri, []);
        await using var peer = await Peer.ConnectAsync(broker.Uri);
        var requests = await peer.TakeAsync(system["AI_QUEUE_NAME"]);

        var answer = system.Service.PostAsync("/api/ai/analyze-recipe", new { user_input = "soup" });
        var request = await requests.NextAsync();
        await peer.SendAsync(request.ReplyTo!, text, request.CorrelationId);

        Assert.Equal(HttpStatusCode.BadGateway, (await answer).Status);
    }

    private static string Result(string dish)
        => $$$"""{"success":true,"result":{"dish":"{{{dish}}}","recipe":{"name":"{{{dish}}}","ingredients":[]},"""
            + "\"shopping_cart\":{\"items\":[]},\"conflict_warnings\":[]}}";
}
