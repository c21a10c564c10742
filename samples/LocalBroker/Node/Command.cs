using System.Diagnostics;

namespace LocalBroker.Node;

/// <summary>
/// A program with its arguments and the words that run it where it is (<see cref="RabbitMqInstallation.Enter"/>), for
/// the node in this folder.
/// </summary>
internal sealed record Command(
    NodeFolder Folder, IReadOnlyList<string> Enter, string Program, params IReadOnlyList<string> Arguments)
{
    /// <summary>Starts it, freed of settings of this process that would reach into the node.</summary>
    public Process Start(bool redirectError = false)
    {
        string[] words = [.. Enter, Program, .. Arguments];
        var start = new ProcessStartInfo(words[0], words.Skip(1))
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = redirectError,
            WorkingDirectory = Folder.Root,
        };
        foreach (string? name in start.Environment.Keys.Where(IsForeign).ToList()) start.Environment.Remove(name);
        foreach (var (name, value) in Folder.Variables()) start.Environment[name] = value;
        return Process.Start(start)!;
    }

    /// <summary>Runs it to its end, with this text as its input, and returns its output.</summary>
    /// <exception cref="PrivateRabbitMqNodeException">It took too long, or failed; carries its error
    /// output.</exception>
    public async Task<string> RunAsync(TimeSpan timeout, CancellationToken cancellationToken, string input = "")
    {
        string words = string.Join(' ', Arguments.Prepend(Path.GetFileName(Program)));
        using var process = Start(redirectError: true);
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(timeout);
        try
        {
            var output = process.StandardOutput.ReadToEndAsync(limit.Token);
            var error = process.StandardError.ReadToEndAsync(limit.Token);
            await Task.WhenAll(output, error, process.WaitForExitAsync(limit.Token));
            return process.ExitCode == 0
                ? await output
                : throw new PrivateRabbitMqNodeException(
                    $"{words} ended with code {process.ExitCode}: {(await error).Trim()} {(await output).Trim()}"
                        .Trim());
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            if (cancellationToken.IsCancellationRequested) throw;
            throw new PrivateRabbitMqNodeException($"{words} did not end within {timeout.TotalSeconds:0.#} s.");
        }
    }

    private static bool IsForeign(string name) =>
        name.StartsWith("RABBITMQ_", StringComparison.Ordinal)
        || name.StartsWith("ERL_", StringComparison.Ordinal)
        || name is "NOTIFY_SOCKET";
}
