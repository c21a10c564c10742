using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace SafeAmqp.Model;

/// <summary>What a search came to.</summary>
internal sealed record Search(long States, int Errors, string Output);

/// <summary>Runs spin on a model: generates the searcher, compiles it, lets it search every state.</summary>
internal static partial class Spin
{
    /// <summary>Whether spin and a C compiler are installed (Debian: <c>spin gcc libc6-dev</c>).</summary>
    internal static bool IsInstalled { get; } = IsOnPath("spin") && IsOnPath("gcc");

    /// <summary>Searches for broken assertions and for states in which somebody waits for ever.</summary>
    internal static Task<Search> CheckSafetyAsync(string model, string defines, CancellationToken cancellationToken)
        => SearchAsync(model, defines, "-DSAFETY -DNOCLAIM", "", cancellationToken);

    /// <summary>Searches for runs, fair to each process, in which the model's formula does not hold.</summary>
    internal static Task<Search> CheckLivenessAsync(string model, string defines, CancellationToken cancellationToken)
        => SearchAsync(model, defines, "-DNFAIR=3", "-a -f -N ends", cancellationToken);

    private static async Task<Search> SearchAsync(
        string model, string defines, string compile, string options, CancellationToken cancellationToken)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("safeamqp-model-");
        try
        {
            File.Copy(Path.Combine(AppContext.BaseDirectory, model), Path.Combine(folder.FullName, model));
            await RunAsync(folder.FullName, "spin", $"-a {defines} {model}", cancellationToken);
            await RunAsync(
                folder.FullName, "gcc", $"-O2 -w {compile} -DCOLLAPSE -DMEMLIM=4000 -o pan pan.c", cancellationToken);
            string output = await RunAsync(
                folder.FullName, Path.Combine(folder.FullName, "pan"), $"-m200000 {options}", cancellationToken);
            Assert.DoesNotContain("max search depth too small", output, StringComparison.Ordinal);
            Assert.DoesNotContain("out of memory", output, StringComparison.Ordinal);
            return new Search(Number(StatesStored(), output), (int)Number(ErrorsFound(), output), output);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static async Task<string> RunAsync(
        string folder, string program, string arguments, CancellationToken cancellationToken)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        })!;
        Task<string> errors = process.StandardError.ReadToEndAsync(cancellationToken);
        string output = await process.StandardOutput.ReadToEndAsync(cancellationToken);
        await process.WaitForExitAsync(cancellationToken);
        Assert.True(process.ExitCode == 0, $"{program} {arguments}\n{output}\n{await errors}");
        return output;
    }

    private static long Number(Regex pattern, string output)
        => (long)double.Parse(pattern.Match(output).Groups[1].Value, CultureInfo.InvariantCulture);

    private static bool IsOnPath(string program)
        => (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .Any(folder => File.Exists(Path.Combine(folder, program)));

    [GeneratedRegex(@"([\d.e+]+) states, stored")]
    private static partial Regex StatesStored();

    [GeneratedRegex(@"errors: (\d+)")]
    private static partial Regex ErrorsFound();
}
