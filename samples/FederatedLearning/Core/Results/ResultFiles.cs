using System.Text.Json;

namespace FederatedLearning.Results;

/// <summary>A training's results as files: <c>results.json</c>, <c>results.svg</c>, and the model in <c>model.json</c>.</summary>
public static class ResultFiles
{
    /// <summary>Writes the files, and replaces those that are there.</summary>
    /// <param name="result">The results.</param>
    /// <param name="folder">Where to; made if it is not there.</param>
    /// <param name="cancellationToken">Ends the writing.</param>
    /// <returns>The paths of the files.</returns>
    public static async Task<IReadOnlyList<string>> WriteAsync(TrainingResult result, string folder, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(result);
        Directory.CreateDirectory(folder);
        var json = Path.Combine(folder, "results.json");
        var plot = Path.Combine(folder, "results.svg");
        var model = Path.Combine(folder, "model.json");
        await File.WriteAllBytesAsync(json, ToJson(result), cancellationToken);
        await File.WriteAllTextAsync(plot, ResultPlot.ToSvg(result.Rounds), cancellationToken);
        await File.WriteAllBytesAsync(model, new Messages.GlobalModel(result.Rounds.Count, result.Model, result.Config).ToJson(), cancellationToken);
        return [json, plot, model];
    }

    /// <summary>The results without the model, as JSON.</summary>
    public static byte[] ToJson(TrainingResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            var last = result.Rounds.Count > 0 ? result.Rounds[^1] : null;
            json.WriteStartObject();
            json.WriteString("reason", result.Reason.ToString());
            json.WriteBoolean("success", result.IsSuccess);
            json.WriteNumber("duration_seconds", Math.Round(result.Duration.TotalSeconds, 3));
            WriteNumber(json, "loss", last?.Loss);
            WriteNumber(json, "accuracy", last?.Accuracy);
            json.WriteNumber("parameters", result.Model.Values.Length);
            WriteRounds(json, result);
            WriteCounts(json, result);
            json.WriteEndObject();
        }
        return buffer.ToArray();
    }

    private static void WriteRounds(Utf8JsonWriter json, TrainingResult result)
    {
        json.WriteStartArray("rounds");
        foreach (var round in result.Rounds)
        {
            json.WriteStartObject();
            json.WriteNumber("round", round.Round);
            WriteNumber(json, "loss", round.Loss);
            WriteNumber(json, "accuracy", round.Accuracy);
            json.WriteNumber("updates", round.Updates);
            json.WriteNumber("samples", round.Samples);
            json.WriteNumber("evaluations", round.Evaluations);
            json.WriteNumber("missed", round.Missed);
            json.WriteNumber("duration_seconds", Math.Round(round.Duration.TotalSeconds, 3));
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }

    private static void WriteCounts(Utf8JsonWriter json, TrainingResult result)
    {
        json.WriteStartObject("messages");
        json.WriteNumber("updates", result.Counts.Updates);
        json.WriteNumber("metrics", result.Counts.Metrics);
        json.WriteNumber("duplicates", result.Counts.Duplicates);
        json.WriteNumber("stale", result.Counts.Stale);
        json.WriteNumber("refused", result.Counts.Refused);
        json.WriteNumber("registrations", result.Counts.Registrations);
        json.WriteNumber("rejections", result.Counts.Rejections);
        json.WriteNumber("departures", result.Counts.Departures);
        json.WriteEndObject();
    }

    private static void WriteNumber(Utf8JsonWriter json, string name, double? value)
    {
        if (value is { } number) json.WriteNumber(name, number);
        else json.WriteNull(name);
    }
}
