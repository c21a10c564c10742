using Microsoft.AspNetCore.Http.HttpResults;

namespace RecipeService.Crawling;

/// <summary><c>/api/crawling</c>.</summary>
internal static class CrawlingEndpoints
{
    private const int DefaultDepth = 1;

    public static void MapCrawling(this IEndpointRouteBuilder app)
    {
        var group = app.MapGroup("/api/crawling").WithTags("Crawling");

        group.MapMethods("/ping", [HttpMethods.Get, HttpMethods.Post], PingAsync)
            .WithName("Ping")
            .WithSummary("Asks the crawler for a sign of life and waits for it.")
            .ProducesWorkerProblems();

        group.MapPost("/crawl", BeginAsync)
            .WithName("BeginCrawl")
            .WithSummary("Begins a crawl; its state is found at the location that is returned.")
            .ProducesValidationProblem()
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable);

        group.MapPost("/crawl/sync", CrawlAsync)
            .WithName("Crawl")
            .WithSummary("Crawls and waits for the result.")
            .ProducesValidationProblem()
            .ProducesWorkerProblems();

        group.MapGet("/jobs/{job_id}", Find)
            .WithName("FindJob")
            .WithSummary("The state of a crawling job.");
    }

    private static async Task<Ok<PingResponse>> PingAsync(CrawlingService service, CancellationToken aborted)
    {
        var (answer, elapsed) = await service.PingAsync(aborted);
        return TypedResults.Ok(
            new PingResponse(answer.JobId, answer.Status, answer.Data, Math.Round(elapsed.TotalMilliseconds, 2)));
    }

    private static async Task<Accepted<CrawlAccepted>> BeginAsync(
        CrawlRequest request, CrawlingService service, CancellationToken aborted)
    {
        string id = await service.BeginCrawlAsync(request.Url!, request.Depth ?? DefaultDepth, aborted);
        string location = $"/api/crawling/jobs/{id}";
        return TypedResults.Accepted(location, new CrawlAccepted(id, CrawlingWords.Queued, location));
    }

    private static async Task<Ok<CrawlResponse>> CrawlAsync(
        CrawlRequest request, CrawlingService service, CancellationToken aborted)
    {
        var answer = await service.CrawlAsync(request.Url!, request.Depth ?? DefaultDepth, aborted);
        return TypedResults.Ok(new CrawlResponse(answer.JobId, answer.Action, answer.Status, answer.Data));
    }

    private static Results<Ok<Job>, ProblemHttpResult> Find(
        [Microsoft.AspNetCore.Mvc.FromRoute(Name = "job_id")] string jobId, JobBoard jobs)
        => jobs.TryFind(jobId, out var job)
            ? TypedResults.Ok(job)
            : TypedResults.Problem(
                "No such job: it never was, or it is so long ago that it was forgotten.", statusCode: 404);

    private static void ProducesWorkerProblems(this RouteHandlerBuilder endpoint) => endpoint
        .ProducesProblem(StatusCodes.Status502BadGateway)
        .ProducesProblem(StatusCodes.Status503ServiceUnavailable)
        .ProducesProblem(StatusCodes.Status504GatewayTimeout);
}
