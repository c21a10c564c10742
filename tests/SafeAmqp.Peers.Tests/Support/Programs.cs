using System.Diagnostics;

namespace SafeAmqp.Peers.Tests.Support;

/// <summary>
/// Programs of other languages. Where one is missing the test is skipped locally and fails in CI, which installs it.
/// </summary>
internal static class Programs
{
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(60);

    /// <summary>The folder with the peers' sources.</summary>
    public static string Folder { get; } = FindFolder();

    /// <summary>Debian's own: its packages are not seen by another Python that the PATH may name first.</summary>
    public static string Python => File.Exists("/usr/bin/python3") ? "/usr/bin/python3" : "python3";

    /// <summary>Starts a program that is spoken to.</summary>
    public static Process Start(string program, params string[] arguments)
    {
        if (!IsInstalled(program))
            GiveUp($"{program} is not installed.");
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = Folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        return Process.Start(start)!;
    }

    /// <summary>Runs a program to its end.</summary>
    /// <returns>What it wrote; its errors and its exit code where that is not 0.</returns>
    public static async Task<byte[]> RunAsync(string program, ReadOnlyMemory<byte> input, params string[] arguments)
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
            Assert.True(process.ExitCode == 0, $"{program} ended with {process.ExitCode}: {errors}");
            return output.ToArray();
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

    private static bool IsInstalled(string program) => Path.IsPathRooted(program) ? File.Exists(program)
        : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator)
            .Any(folder => folder.Length > 0 && File.Exists(Path.Combine(folder, program)));

    // Not by the caller's path, which a deterministic build maps away.
    private static string FindFolder()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "SafeAmqp.sln")))
                return Path.Combine(folder.FullName, "tests", "SafeAmqp.Peers.Tests", "Peers");
        }
        throw new InvalidOperationException("The tests do not run inside the repository.");
    }
}
