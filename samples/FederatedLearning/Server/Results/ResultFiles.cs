using System.Text.Json;
using FederatedLearning.Messages;
using FederatedLearning.Results;
using FederatedLearning.Server.Web;
using FederatedLearning.Status;

namespace FederatedLearning.Server.Results;

/// <summary>
/// What remains of a training: <c>results.json</c>, <c>results.svg</c>, and the model in <c>model.json</c>, as clients
/// get it.
/// </summary>
internal static class ResultFiles
{
    public static async Task WriteAsync(
        string folder, TrainingResult result, FederationSnapshot training, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(folder);
        // The numbers last, and each under its name when it is whole: a reader that finds the numbers finds all.
        await WriteAsync(
            Path.Combine(folder, "results.svg"),
            System.Text.Encoding.UTF8.GetBytes(ResultPlot.ToSvg(result.Rounds, training.Handlers)),
            cancellationToken);
        await WriteAsync(
            Path.Combine(folder, "model.json"),
            new GlobalModel(result.Rounds.Count, result.Model, result.Config).ToJson(),
            cancellationToken);
        await WriteAsync(Path.Combine(folder, "results.json"),
            JsonSerializer.SerializeToUtf8Bytes(ResultReport.Of(training), ServerJsonContext.Default.ResultReport),
            cancellationToken);
    }

    private static async Task WriteAsync(string path, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        await File.WriteAllBytesAsync(path + ".part", content, cancellationToken);
        File.Move(path + ".part", path, overwrite: true);
    }
}
