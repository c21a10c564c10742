using System.Text.Json.Serialization;

namespace ImageServer.Protocol;

/// <summary>What server and workers agree on: names on the broker and the forms of messages.</summary>
public static class WorkerMessages
{
    /// <summary>The most requests that a queue holds before the broker refuses more: the broker compares it when a
    /// queue is declared again.</summary>
    public const int MaxQueueLength = 256;

    /// <summary>The queue of prompts.</summary>
    public static string GenerateQueue(string prefix) => prefix + "image.generate";

    /// <summary>The queue of searches.</summary>
    public static string SearchQueue(string prefix) => prefix + "image.search";

    /// <summary>The exchange to which the server says that no client waits for a request any more. Each worker hears it
    /// all.</summary>
    public static string CancelExchange(string prefix) => prefix + "image.cancel";

    /// <summary>The reply's header with the number of pictures that a search found.</summary>
    public const string MatchesHeader = "matches";

    /// <summary>The reply's header with the name of the picture.</summary>
    public const string TitleHeader = "title";

    /// <summary>The reply's header that says why there is no picture, in words for the client.</summary>
    public const string ErrorHeader = "error";
}

/// <summary>Draw this. The reply's body is the picture, as PNG, JPEG, GIF or WebP.</summary>
/// <param name="Prompt">What the picture shows.</param>
/// <param name="Model">The model that draws it.</param>
/// <param name="Seed">The same prompt, model and seed give the same picture.</param>
public sealed record GenerateRequest(string Prompt, string Model, int Seed);

/// <summary>Find this. The reply's body is one picture of those found, empty when there is none.</summary>
/// <param name="Words">What is looked for.</param>
/// <param name="Number">Which one of those found, best first; beyond the last it begins anew.</param>
public sealed record SearchRequest(string Words, int Number);

/// <summary>JSON forms of the requests.</summary>
[JsonSerializable(typeof(GenerateRequest))]
[JsonSerializable(typeof(SearchRequest))]
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower)]
public sealed partial class WorkerJson : JsonSerializerContext;
