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
        // The plot first: who finds the JSON finds both.
        await File.WriteAllTextAsync(Path.Combine(folder, "results.svg"), ResultPlot.Draw(training.Rounds), cancellationToken);
        await File.WriteAllBytesAsync(Path.Combine(folder, "results.json"),
            JsonSerializer.SerializeToUtf8Bytes(ResultReport.Of(training), ServerJsonContext.Default.ResultReport), cancellationToken);
    }
}
