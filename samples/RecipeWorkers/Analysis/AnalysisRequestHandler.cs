using System.Text.Json;

namespace RecipeWorkers.Analysis;

/// <summary>One request of the analysis queue in, its answer out. Thread-safe.</summary>
public sealed class AnalysisRequestHandler(RecipeAnalyzer analyzer, ImageAnalyzer images)
{
    /// <summary>The answer, as JSON bytes; a request that cannot be fulfilled is answered with the reason.</summary>
    /// <exception cref="UnparsableRequestException">The body is no JSON object; a retry does not help.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled; a retry is sound, nothing was
    /// kept.</exception>
    public async Task<ReadOnlyMemory<byte>> HandleAsync(ReadOnlyMemory<byte> body, CancellationToken cancellationToken)
    {
        var answer = await AnswerAsync(Parse(body), cancellationToken);
        return JsonSerializer.SerializeToUtf8Bytes(answer, AnalysisJson.Default.AnalysisAnswer);
    }

    private static AnalysisRequest Parse(ReadOnlyMemory<byte> body)
    {
        try
        {
            return JsonSerializer.Deserialize(body.Span, AnalysisJson.Default.AnalysisRequest)
                ?? throw new UnparsableRequestException("The request is null.");
        }
        catch (JsonException exception)
        {
            throw new UnparsableRequestException("The request is not the JSON object expected.", exception);
        }
    }

    private async Task<AnalysisAnswer> AnswerAsync(AnalysisRequest request, CancellationToken cancellationToken)
    {
        if (string.IsNullOrWhiteSpace(request.UserInput))
            return AnalysisAnswer.Failed("user_input is missing or empty.");
        if (request.UserInput.Length > RecipeAnalyzer.MaxTextLength)
            return AnalysisAnswer.Failed($"user_input is longer than {RecipeAnalyzer.MaxTextLength} characters.");

        var answer = AsImage(request.UserInput) is { S3Url: { } url } image
            ? await images.AnalyzeAsync(url, image.Description, cancellationToken)
            : AnalysisAnswer.Succeeded(analyzer.Analyze(request.UserInput));
        return answer.Result is { Recipe.Ingredients.Count: 0 }
            ? AnalysisAnswer.Failed("No ingredients were found in the text.")
            : answer;
    }

    // A text may begin with a brace too: only an object with an s3_url is an image.
    private static ImageRequest? AsImage(string input)
    {
        if (!input.AsSpan().TrimStart().StartsWith("{")) return null;
        try
        {
            return JsonSerializer.Deserialize(input, AnalysisJson.Default.ImageRequest);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
