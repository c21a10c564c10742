using System.Text.Json;
using FederatedLearning.Model;

namespace FederatedLearning.Messages;

/// <summary><c>model_config</c> in JSON.</summary>
internal static class ModelConfigJson
{
    private const int MaxSize = 1_000_000_000, MaxHidden = 64;

    public static void Write(Utf8JsonWriter json, ModelConfig config)
    {
        json.WriteStartObject("model_config");
        json.WriteString("kind", config.Kind);
        json.WriteNumber("inputs", config.Inputs);
        json.WriteStartArray("hidden");
        foreach (int units in config.Hidden) json.WriteNumberValue(units);
        json.WriteEndArray();
        json.WriteNumber("classes", config.Classes);
        json.WriteNumber("learning_rate", config.LearningRate);
        json.WriteNumber("learning_rate_decay", config.LearningRateDecay);
        json.WriteNumber("seed", config.Seed);
        json.WriteEndObject();
    }

    /// <summary>Reads the object that the reader stands at.</summary>
    public static ModelConfig? Read(ref Utf8JsonReader reader, Action<string> wrong)
    {
        using var document = JsonDocument.ParseValue(ref reader);
        var root = document.RootElement;
        if (root.ValueKind == JsonValueKind.Object
            && root.TryGetProperty("kind", out var kind) && kind.ValueKind == JsonValueKind.String
            && Size(root, "inputs") is { } inputs && Size(root, "classes") is { } classes
            && Number(root, "learning_rate") is { } rate
            && root.TryGetProperty("hidden", out var hidden) && hidden.ValueKind == JsonValueKind.Array
            && hidden.GetArrayLength() <= MaxHidden
            && hidden.EnumerateArray().All(units => Size(units) is not null))
        {
            return new ModelConfig(kind.GetString()!, inputs, [.. hidden.EnumerateArray()
                .Select(units => units.GetInt32())], classes, rate,
                root.TryGetProperty("seed", out var seed) && seed.ValueKind == JsonValueKind.Number
                    && seed.TryGetInt32(out int s) ? s : 0)
            {
                LearningRateDecay = Number(root, "learning_rate_decay") ?? 1,
            };
        }
        wrong("model_config must have kind, inputs, hidden, classes and learning_rate");
        return null;
    }

    private static int? Size(JsonElement root, string name)
        => root.TryGetProperty(name, out var value) ? Size(value) : null;

    private static int? Size(JsonElement value)
        => value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int size) && size is > 0 and <= MaxSize
            ? size
            : null;

    private static double? Number(JsonElement root, string name)
        => root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number
            && value.TryGetDouble(out double number) ? number : null;
}
