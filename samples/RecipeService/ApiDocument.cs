using Microsoft.AspNetCore.OpenApi;

namespace RecipeService;

/// <summary>The OpenAPI document at <c>/openapi/v1.json</c>.</summary>
internal static class ApiDocument
{
    public static void Describe(OpenApiOptions options) => options.AddDocumentTransformer((document, _, _) =>
    {
        document.Info.Title = "Recipe service";
        document.Info.Version = "1.0";
        document.Info.Description =
            "Analyses recipes and crawls for them. Both are done by workers behind RabbitMQ. What fails is told "
                + "as problem details "
            + "(RFC 9457) with `outcome`, what became of the request, and `safe_to_repeat`, whether repeating it "
            + "can do the work twice.";
        return Task.CompletedTask;
    });
}
