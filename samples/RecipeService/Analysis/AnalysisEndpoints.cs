namespace RecipeService.Analysis;

/// <summary><c>/api/ai</c>.</summary>
internal static class AnalysisEndpoints
{
    public static void MapAnalysis(this IEndpointRouteBuilder app)
    {
        var group = app.MapGroup("/api/ai").WithTags("Analysis")
            .ProducesValidationProblem()
            .ProducesProblem(StatusCodes.Status413PayloadTooLarge)
            .ProducesProblem(StatusCodes.Status422UnprocessableEntity)
            .ProducesProblem(StatusCodes.Status502BadGateway)
            .ProducesProblem(StatusCodes.Status503ServiceUnavailable)
            .ProducesProblem(StatusCodes.Status504GatewayTimeout);

        group.MapPost(
            "/analyze-recipe", async (AnalyzeRecipeRequest request, AnalysisService service, CancellationToken aborted)
                => new AnalysisResponse(true, await service.AnalyzeRecipeAsync(request.UserInput!, aborted)))
            .WithName("AnalyzeRecipe")
            .WithSummary("Reads a recipe from what a user typed.");

        group.MapPost(
            "/analyze-image", async (AnalyzeImageRequest request, AnalysisService service, CancellationToken aborted)
                => new AnalysisResponse(
                    true, await service.AnalyzeImageAsync(request.S3Url!, request.Description ?? "", aborted)))
            .WithName("AnalyzeImage")
            .WithSummary("Reads a recipe from an image and what a user says about it.");
    }
}
