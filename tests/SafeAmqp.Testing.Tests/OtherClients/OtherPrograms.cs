using System.Diagnostics;

namespace SafeAmqp.Testing.Tests.OtherClients;

/// <summary>
/// Programs of other languages. Where one is missing the test is skipped at a desk and fails on CI, which installs it.
/// </summary>
internal static class OtherPrograms
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(1);

    /// <summary>Runs a program to its end; its output, and its exit code where that is not 0.</summary>
    public static async Task<string> RunAsync(string program, IEnumerable<string> arguments, string input = "")
    {
        if (!IsInstalled(program))
            GiveUp($"{program} is not installed.");
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true
        };
        using Process process = Process.Start(start)!;
        try
        {
            await process.StandardInput.WriteAsync(input);
            process.StandardInput.Close();
            Task<string> output = process.StandardOutput.ReadToEndAsync(),
                error = process.StandardError.ReadToEndAsync();
            await process.WaitForExitAsync().WaitAsync(Limit);
            string said = await output + await error;
            return process.ExitCode == 0 ? said : $"{said}exit code {process.ExitCode}";
        }
        catch (TimeoutException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
    }

    public static void GiveUp(string why)
    {
        if (Environment.GetEnvironmentVariable("CI") is "true" or "1")
            Assert.Fail(why);
        Assert.Skip(why);
    }

    private static bool IsInstalled(string program) =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .Any(folder => folder.Length > 0 && File.Exists(Path.Combine(folder, program)));
}
