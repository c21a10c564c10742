using System.Diagnostics;

namespace LocalBroker.Node;

/// <summary>Child processes with a given environment.</summary>
internal static class Command
{
    /// <summary>A description of the program, freed of settings of this process that would reach into the node.</summary>
    public static ProcessStartInfo Describe(string program, IEnumerable<string> arguments, NodeFolder folder)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            WorkingDirectory = folder.Root,
        };
        foreach (var name in start.Environment.Keys.Where(IsForeign).ToList()) start.Environment.Remove(name);
        foreach (var (name, value) in folder.Variables()) start.Environment[name] = value;
        return start;
    }

    /// <summary>Runs the program to its end, with this text as its input, and returns its output.</summary>
    /// <exception cref="PrivateRabbitMqNodeException">It took too long, or failed; carries its error output.</exception>
    public static async Task<string> RunAsync(
        ProcessStartInfo start, TimeSpan timeout, CancellationToken cancellationToken, string input = "")
    {
        var words = string.Join(' ', start.ArgumentList.Prepend(Path.GetFileName(start.FileName)));
        start.RedirectStandardError = true;
        using var process = Process.Start(start)!;
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
                    $"{words} ended with code {process.ExitCode}: {(await error).Trim()} {(await output).Trim()}".Trim());
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
