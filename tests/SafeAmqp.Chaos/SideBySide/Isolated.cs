using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace SafeAmqp.Chaos.SideBySide;

/// <summary>
/// Runs the column of RabbitMQ.Client in a process of its own: what it does to the process, such as an exception that
/// no code can catch, is a result.
/// </summary>
internal static class Isolated
{
    internal const string Argument = "raw";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    /// <summary>The other process.</summary>
    internal static async Task<int> BeAsync(string name, int port)
    {
        await using var bench = new Bench(port);
        Column column = await (name switch
        {
            "F1" => CancellationStorm.RawAsync(bench),
            "F2" => SilentServer.RawAsync(),
            "F3" => HalfOpen.RawAsync(bench),
            "F6" => StarvedPool.RawAsync(bench),
            "F7" => LateArrival.RawAsync(bench),
            _ => throw new ArgumentException($"Not one of those: {name}."),
        });
        Console.WriteLine(JsonSerializer.Serialize(column));
        return 0;
    }

    internal static async Task<Column> RunAsync(string name, int port)
    {
        Ended ended = await RunAsync([Argument, name, port.ToString(CultureInfo.InvariantCulture)], Patience);
        if (ended.ExitCode == 0)
            return JsonSerializer.Deserialize<Column>(ended.Output)!;
        string last = ended.Output.Trim().Length > 0
            ? $", after it had found: {JsonSerializer.Deserialize<Column>(ended.Output)!.Text}"
            : "";
        return new Column($"{ended.Describe()}{last}", Held: false);
    }

    /// <summary>Starts this program once more.</summary>
    internal static async Task<Ended> RunAsync(IReadOnlyList<string> arguments, TimeSpan patience)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true
        };
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet")
            start.ArgumentList.Add(typeof(Isolated).Assembly.Location);
        foreach (string argument in arguments)
            start.ArgumentList.Add(argument);
        start.Environment["DOTNET_DbgEnableMiniDump"] = "0";
        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync(), error = process.StandardError.ReadToEndAsync();
        using var limit = new CancellationTokenSource(patience);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            return new Ended(-1, "", $"not back after {patience.TotalSeconds} s");
        }
        return new Ended(process.ExitCode, await output, await error);
    }

    internal sealed record Ended(int ExitCode, string Output, string Error)
    {
        internal string Describe()
        {
            if (ExitCode == -1)
                return Error;
            if (Error.Contains("Stack overflow", StringComparison.OrdinalIgnoreCase))
                return "the process died of a stack overflow";
            string? unhandled = Error.Split('\n')
                .FirstOrDefault(line => line.StartsWith("Unhandled exception", StringComparison.Ordinal))?.Trim();
            return unhandled is null ? $"the process ended with code {ExitCode}" : $"the process died: {unhandled}";
        }
    }
}
