using System.Text.Json;
using FederatedLearning.Server.Web;
using FederatedLearning.Status;

namespace FederatedLearning.Server.Results;

/// <summary>What remains of a training: <c>results.json</c> and <c>results.svg</c>.</summary>
internal static class ResultFiles
{
    public static async Task WriteAsync(string folder, FederationSnapshot training, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(folder);
        // The plot first, and each under its name when it is whole: who finds the JSON finds both.
        await WriteAsync(Path.Combine(folder, "results.svg"), System.Text.Encoding.UTF8.GetBytes(ResultPlot.Draw(training.Rounds)), cancellationToken);
        await WriteAsync(Path.Combine(folder, "results.json"),
            JsonSerializer.SerializeToUtf8Bytes(ResultReport.Of(training), ServerJsonContext.Default.ResultReport), cancellationToken);
    }

    private static async Task WriteAsync(string path, byte[] content, CancellationToken cancellationToken)
    {
        await File.WriteAllBytesAsync(path + ".part", content, cancellationToken);
        File.Move(path + ".part", path, overwrite: true);
    }
}
