using GuardedFetching;

namespace RecipeWorkers.Analysis;

/// <summary>Checks that an address holds an image, and analyses what its description says. Thread-safe.</summary>
/// <remarks>The pixels are not looked at: what is on the plate comes from the description.</remarks>
public sealed class ImageAnalyzer(HttpClient http, FetchOptions options, RecipeAnalyzer analyzer)
{
    /// <summary>Largest image taken: 10 MiB.</summary>
    public const int MaxImageBytes = 10 * 1024 * 1024;

    private readonly GuardedFetcher _fetcher = new(http, options);

    /// <summary>The analysis, or an answer that says why there is none. Throws only when cancelled.</summary>
    public async Task<AnalysisAnswer> AnalyzeAsync(string url, string? description, CancellationToken cancellationToken)
    {
        if (!Uri.TryCreate(url, UriKind.Absolute, out var address))
            return AnalysisAnswer.Failed("s3_url is no address.");
        if (string.IsNullOrWhiteSpace(description)) return AnalysisAnswer.Failed("The description is empty.");
        if (description.Length > RecipeAnalyzer.MaxTextLength)
            return AnalysisAnswer.Failed($"The description is longer than {RecipeAnalyzer.MaxTextLength} characters.");

        var fetched = await _fetcher.FetchAsync(address, MaxImageBytes, cancellationToken);
        if (fetched.Error is { } error) return AnalysisAnswer.Failed($"The image could not be fetched: {error}");
        if (ImageHeader.Read(fetched.Body) is not { } info)
            return AnalysisAnswer.Failed("The address holds no PNG, JPEG, WebP or GIF image.");
        if (!IsDeclaredRight(fetched.MediaType, info.Format))
            return AnalysisAnswer.Failed($"The image is declared {fetched.MediaType} but is {info.Format}.");

        return AnalysisAnswer.Succeeded(analyzer.Analyze(description));
    }

    // Object stores often know no better than octet-stream; that is no lie, a wrong image type is.
    private static bool IsDeclaredRight(string? mediaType, string format) =>
        mediaType is null or "" or "application/octet-stream" or "binary/octet-stream"
        || mediaType.Equals("image/" + format, StringComparison.OrdinalIgnoreCase)
        || (format == "jpeg" && mediaType.Equals("image/jpg", StringComparison.OrdinalIgnoreCase));
}
