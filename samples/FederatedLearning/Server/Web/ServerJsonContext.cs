using System.Text.Json.Serialization;
using FederatedLearning.Server.Results;
using FederatedLearning.Status;

namespace FederatedLearning.Server.Web;

/// <summary>The JSON of the page and of the results: names in snake_case, as on the queues.</summary>
[JsonSourceGenerationOptions(
    System.Text.Json.JsonSerializerDefaults.Web, PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    Converters = [
        typeof(SnakeCaseEnum<FederationPhase>),
        typeof(SnakeCaseEnum<CompletionReason>),
        typeof(SnakeCaseEnum<ClientState>)])]
[JsonSerializable(typeof(TrainingReport))]
[JsonSerializable(typeof(ResultReport))]
internal sealed partial class ServerJsonContext : JsonSerializerContext;

/// <summary>An enum's values in snake_case: <c>waiting_for_clients</c>.</summary>
internal sealed class SnakeCaseEnum<T>()
    : JsonStringEnumConverter<T>(System.Text.Json.JsonNamingPolicy.SnakeCaseLower) where T : struct, Enum;
