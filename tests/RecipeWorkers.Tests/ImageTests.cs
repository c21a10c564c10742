using System.Text;
using GuardedFetching;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using RecipeWorkers.Analysis;
using Xunit;

namespace RecipeWorkers.Tests;

public sealed class ImageTests
{
    private const string Description = "Pancakes made of 2 eggs, 100 g flour and 200 ml milk";

    public static TheoryData<byte[], string> Formats => new()
    {
        { Images.Png, "png" }, { Images.Gif, "gif" }, { Images.Jpeg, "jpeg" },
        { Images.WebPExtended, "webp" }, { Images.WebPLossless, "webp" }, { Images.WebPLossy, "webp" },
    };

    [Theory]
    [MemberData(nameof(Formats))]
    public void The_header_tells_format_and_dimensions(byte[] image, string format)
    {
        Assert.Equal(new ImageInfo(format, 64, 48), ImageHeader.Read(image));
        Assert.Null(ImageHeader.Read(image.AsSpan(0, 9)));
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public async Task An_image_with_a_description_is_analysed(byte[] image, string format)
    {
        var answer = await AnalyzeAsync(app => app.MapGet("/i", () => Results.Bytes(image, "image/" + format)));
        Assert.True(answer.Success, answer.Error);
        Assert.Equal(["egg", "flour", "milk"], answer.Result!.Recipe.Ingredients.Select(item => item.Name));
    }

    [Fact]
    public async Task An_image_declared_as_another_format_is_refused()
    {
        var answer = await AnalyzeAsync(app => app.MapGet("/i", () => Results.Bytes(Images.Png, "image/jpeg")));
        Assert.Contains("declared image/jpeg but is png", answer.Error);
    }

    [Fact]
    public async Task A_page_declared_as_an_image_is_refused()
    {
        var answer = await AnalyzeAsync(app => app.MapGet(
            "/i",
            () => Results.Bytes(Encoding.UTF8.GetBytes("<html>not an image, whatever they say</html>"), "image/png")));
        Assert.Contains("no PNG, JPEG, WebP or GIF", answer.Error);
    }

    [Fact]
    public async Task An_image_that_tells_too_large_a_size_is_refused()
    {
        var answer = await AnalyzeAsync(
            app => app.MapGet("/i", () => Results.Bytes(new byte[ImageAnalyzer.MaxImageBytes + 1], "image/png")));
        Assert.Contains("larger than", answer.Error);
    }

    [Fact]
    public async Task An_image_that_hides_its_size_is_cut_off_at_the_cap()
    {
        var answer = await AnalyzeAsync(app => app.MapGet("/i", async (HttpContext context) =>
        {
            byte[] block = new byte[1024 * 1024];
            // Without end: only the cap can stop it.
            while (!context.RequestAborted.IsCancellationRequested)
                await context.Response.Body.WriteAsync(block, context.RequestAborted);
        }));
        Assert.Contains("larger than", answer.Error);
    }

    [Fact]
    public async Task A_server_that_never_answers_is_given_up()
    {
        var options = new FetchOptions { Timeout = TimeSpan.FromMilliseconds(200) };
        var answer = await AnalyzeAsync(
            app => app.MapGet("/i", (HttpContext context) => Task.Delay(Timeout.Infinite, context.RequestAborted)),
            options);
        Assert.Contains("no answer within", answer.Error);
    }

    [Fact]
    public async Task A_missing_image_is_answered_with_the_status()
    {
        var answer = await AnalyzeAsync(_ => { });
        Assert.Contains("status 404", answer.Error);
    }

    [Fact]
    public async Task A_redirect_off_the_allow_list_is_not_followed()
    {
        bool wasAsked = false;
        await using var outside = await LocalServer.StartAsync(app => app.MapGet("/i", () =>
        {
            wasAsked = true;
            return Results.Bytes(Images.Png, "image/png");
        }));
        await using var inside = await LocalServer.StartAsync(
            app => app.MapGet("/i", () => Results.Redirect(outside.At("/i").AbsoluteUri)));
        var answer = await AnalyzeAsync(
            inside.At("/i").AbsoluteUri, new FetchOptions { AllowedHosts = [inside.Address.Authority] });

        Assert.Contains("not on the allow list", answer.Error);
        Assert.False(wasAsked);
    }

    [Theory]
    [InlineData("file:///etc/passwd", "only http and https")]
    [InlineData("s3://bucket/key", "only http and https")]
    [InlineData("http://outside.example/i.png", "not on the allow list")]
    [InlineData("http://user:secret@localhost/i.png", "credentials")]
    [InlineData("no address", "no address")]
    public async Task An_address_outside_the_rules_is_refused(string url, string reason) =>
        Assert.Contains(reason, (await AnalyzeAsync(url, new FetchOptions())).Error);

    private static async Task<AnalysisAnswer> AnalyzeAsync(Action<WebApplication> map, FetchOptions? options = null)
    {
        await using var server = await LocalServer.StartAsync(map);
        return await AnalyzeAsync(server.At("/i").AbsoluteUri,
            options ?? new FetchOptions { Timeout = TimeSpan.FromMinutes(1) });
    }

    private static async Task<AnalysisAnswer> AnalyzeAsync(string url, FetchOptions options)
    {
        using var http = GuardedHttp.CreateClient(options);
        return await new ImageAnalyzer(http, options, new RecipeAnalyzer()).AnalyzeAsync(
            url, Description, TestContext.Current.CancellationToken);
    }
}
