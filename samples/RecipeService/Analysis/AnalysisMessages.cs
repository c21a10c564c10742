using System.Text.Json;
using System.Text.Json.Serialization;

namespace RecipeService.Analysis;

/// <summary>What the analysis worker is sent.</summary>
internal sealed record AnalysisRequest(string UserInput);

/// <summary>What <see cref="AnalysisRequest.UserInput"/> holds for an image: this, as a JSON string.</summary>
internal sealed record ImageInput(
    [property: JsonPropertyName("s3_url")] string S3Url, string Description);

/// <summary>
/// What the worker answers. Only the envelope is read: the result goes to the caller as the worker wrote it.
/// </summary>
internal sealed record AnalysisAnswer
{
    public required bool Success { get; init; }
    public JsonElement? Result { get; init; }
    public string? Error { get; init; }
}

[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower, RespectNullableAnnotations = true)]
[JsonSerializable(typeof(AnalysisRequest))]
[JsonSerializable(typeof(ImageInput))]
[JsonSerializable(typeof(AnalysisAnswer))]
internal sealed partial class AnalysisMessagesJson : JsonSerializerContext;
