using System.Text.Json;

namespace RecipeService.Http;

/// <summary>
/// Names the fields of a failed validation as they stand in the request. The framework names them as they stand in C#.
/// </summary>
internal static class ValidationNames
{
    public static void Correct(ProblemDetailsContext context)
    {
        if (context.ProblemDetails is HttpValidationProblemDetails problem)
            problem.Errors = problem.Errors.ToDictionary(
                field => OnTheWire(field.Key),
                field => field.Value.Select(text => text.Replace(
                    $" {field.Key} ", $" {OnTheWire(field.Key)} ", StringComparison.Ordinal)).ToArray());
    }

    private static string OnTheWire(string name) => JsonNamingPolicy.SnakeCaseLower.ConvertName(name);
}
