using System.Diagnostics;
using System.Text;

namespace TestSupport;

/// <summary>Programs of other languages; a test that needs one that is missing is skipped, or fails in CI.</summary>
public static class Programs
{
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>Debian's own: its packages are not seen by another Python that the PATH may name first.</summary>
    public static string Python => File.Exists("/usr/bin/python3") ? "/usr/bin/python3" : "python3";

    /// <summary>Starts a program that is spoken to.</summary>
    public static Process Start(string program, params IEnumerable<string> arguments)
    {
        Repository.Need(IsInstalled(program), $"{program} is not installed.");
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        return Process.Start(start)!;
    }

    /// <summary>Runs a program to its end, which has to be a good one.</summary>
    /// <returns>What it wrote.</returns>
    public static async Task<byte[]> RunAsync(string program, ReadOnlyMemory<byte> input, params string[] arguments)
    {
        var (code, output, errors) = await CompleteAsync(program, input, arguments);
        Assert.True(code == 0, $"{program} ended with {code}: {errors}");
        return output;
    }

    /// <summary>Runs a program to its end, good or bad.</summary>
    /// <returns>What it wrote, its errors, and its exit code where that is not 0.</returns>
    public static async Task<string> PrintAsync(string program, IEnumerable<string> arguments, string input = "")
    {
        var (code, output, errors) = await CompleteAsync(program, Encoding.UTF8.GetBytes(input), arguments);
        return Encoding.UTF8.GetString(output) + errors + (code == 0 ? "" : $"exit code {code}");
    }

    private static async Task<(int Code, byte[] Output, string Errors)> CompleteAsync(
        string program, ReadOnlyMemory<byte> input, IEnumerable<string> arguments)
    {
        using Process process = Start(program, arguments);
        try
        {
            await process.StandardInput.BaseStream.WriteAsync(input);
            process.StandardInput.Close();
            var output = new MemoryStream();
            Task copied = process.StandardOutput.BaseStream.CopyToAsync(output);
            string errors = await process.StandardError.ReadToEndAsync().WaitAsync(Limit);
            await copied.WaitAsync(Limit);
            await process.WaitForExitAsync().WaitAsync(Limit);
            return (process.ExitCode, output.ToArray(), errors);
        }
        catch (TimeoutException)
        {
            process.Kill(entireProcessTree: true);
            throw;
        }
    }

    private static bool IsInstalled(string program) => Path.IsPathRooted(program) ? File.Exists(program)
        : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .Any(folder => folder.Length > 0 && File.Exists(Path.Combine(folder, program)));
}
