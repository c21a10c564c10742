using System.Text;
using System.Text.Json;
using GuardedFetching;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using RecipeWorkers.Analysis;
using Xunit;

namespace RecipeWorkers.Tests;

public sealed class AnalysisRequestHandlerTests
{
    [Fact]
    public async Task A_text_is_answered_in_the_shape_of_the_wire()
    {
        var answer = await AnswerAsync(
            JsonSerializer.Serialize(new { user_input = "Fruit jelly\n2 kiwis\n3 gelatine leaves\nsalt to taste" }));

        Assert.Equal(["success", "result"], Names(answer));
        var result = answer.GetProperty("result");
        Assert.Equal(["dish", "recipe", "shopping_cart", "conflict_warnings"], Names(result));
        Assert.Equal("Fruit jelly", result.GetProperty("dish").GetString());
        Assert.Equal(["name", "ingredients"], Names(result.GetProperty("recipe")));
        Assert.Equal(
            """{"name":"kiwi","quantity":2,"unit":"piece"}""",
            result.GetProperty("recipe").GetProperty("ingredients")[0].GetRawText());
        Assert.Equal(
            """{"name":"salt","quantity":null,"unit":null}""",
            result.GetProperty("recipe").GetProperty("ingredients")[2].GetRawText());
        Assert.Equal(["items"], Names(result.GetProperty("shopping_cart")));
        Assert.Equal(
            ["conflicting_item_1", "conflicting_item_2", "message", "sources"],
            Names(result.GetProperty("conflict_warnings")[0]));
    }

    [Fact]
    public async Task An_image_request_fetches_the_image()
    {
        int fetched = 0;
        await using var server = await LocalServer.StartAsync(app => app.MapGet("/a.png", () =>
        {
            Interlocked.Increment(ref fetched);
            return Results.Bytes(Images.Png, "image/png");
        }));
        string input = JsonSerializer.Serialize(
            new { s3_url = server.At("/a.png").AbsoluteUri, description = "a bowl of rice with 2 eggs" });
        var answer = await AnswerAsync(JsonSerializer.Serialize(new { user_input = input }));

        Assert.True(answer.GetProperty("success").GetBoolean());
        Assert.Equal(1, fetched);
    }

    [Fact]
    public async Task A_failed_image_is_answered_with_the_reason()
    {
        string input = JsonSerializer.Serialize(
            new { s3_url = "http://outside.example/a.png", description = "2 eggs" });
        var answer = await AnswerAsync(JsonSerializer.Serialize(new { user_input = input }));

        Assert.Equal(["success", "error"], Names(answer));
        Assert.Contains("allow list", answer.GetProperty("error").GetString());
    }

    [Theory]
    [InlineData("""{"user_input":""}""", "missing or empty")]
    [InlineData("{}", "missing or empty")]
    [InlineData("""{"user_input":"hello there"}""", "No ingredients")]
    public async Task A_request_without_anything_to_analyse_is_answered_with_the_reason(string body, string reason)
    {
        var answer = await AnswerAsync(body);
        Assert.False(answer.GetProperty("success").GetBoolean());
        Assert.Contains(reason, answer.GetProperty("error").GetString());
    }

    [Fact]
    public async Task A_text_in_braces_is_no_image()
    {
        var answer = await AnswerAsync(JsonSerializer.Serialize(new { user_input = "{2 eggs, 100 g flour}" }));
        Assert.True(answer.GetProperty("success").GetBoolean());
    }

    [Theory]
    [InlineData("")]
    [InlineData("not json")]
    [InlineData("[1]")]
    [InlineData("null")]
    [InlineData("""{"user_input":5}""")]
    public async Task What_is_no_request_is_told_apart_by_its_exception(string body) =>
        await Assert.ThrowsAsync<UnparsableRequestException>(() => AnswerAsync(body));

    [Fact]
    public async Task Many_requests_at_once_do_not_disturb_each_other()
    {
        var answers = await Task.WhenAll(Enumerable.Range(1, 40).Select(number => Task.Run(
            () => AnswerAsync(JsonSerializer.Serialize(new { user_input = $"{number} eggs, {number} g flour" })))));
        for (int i = 0; i < answers.Length; i++)
            Assert.Equal(i + 1, answers[i].GetProperty("result")
                .GetProperty("recipe").GetProperty("ingredients")[0].GetProperty("quantity").GetInt32());
    }

    private static IEnumerable<string> Names(JsonElement element)
        => element.EnumerateObject().Select(property => property.Name);

    private static async Task<JsonElement> AnswerAsync(string body)
    {
        var options = new FetchOptions();
        using var http = GuardedHttp.CreateClient(options);
        var analyzer = new RecipeAnalyzer();
        var handler = new AnalysisRequestHandler(analyzer, new ImageAnalyzer(http, options, analyzer));
        var answer = await handler.HandleAsync(Encoding.UTF8.GetBytes(body), TestContext.Current.CancellationToken);
        return JsonSerializer.Deserialize<JsonElement>(answer.Span);
    }
}
