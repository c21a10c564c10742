using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace SafeAmqp.FaultTests.Supply;

// What reflection would find at run time is gone from a program that is compiled ahead of time: only such a program
// shows that nothing needs it.
public sealed partial class AheadOfTimeTests : FaultCase
{
    private const string Program = "SafeAmqp.AotProgram";

    // A minute alone.
    private static readonly TimeSpan PublishLimit = TimeSpan.FromMinutes(8);

    private static readonly string[] Expected =
    [
        "declared",
        "batch Confirmed Confirmed",
        "read published with 5 headers", // four of its own, one of the trace
        "read first with 1 headers",
        "read second with 1 headers",
        "read posted with 1 headers",
        "consumed to a handler",
        "called 4",
        "doubled abab",
        "failed AmqpRemoteException Confirmed",
        "failed AmqpReturnedException Returned",
        "failed AmqpTopologyException ",
        "typed Order { Item = pen, Count = 3 }",
        "sum 42",
        "hosted to a class",
        "ordered Order { Item = book, Count = 2 }",
        "tripled 42",
        "safeamqp Healthy",
        "safeamqp-live Healthy",
        "links Open Open",
        "spans ack call create nack process publish receive",
        "instrument messaging.client.consumed.messages",
        "instrument messaging.client.operation.duration",
        "instrument messaging.client.sent.messages",
        "instrument messaging.process.duration",
        "instrument safeamqp.connection.state",
    ];

    private readonly string _folder = Directory.CreateTempSubdirectory("safeamqp-aot-").FullName;

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public async Task A_program_that_uses_every_verb_compiles_ahead_of_time_without_warnings_and_works()
    {
        RequireLinker();
        string program = await PublishAsync();
        AmqpTestBroker broker = await BrokerAsync();

        string said = await RunAsync(program, [broker.Uri.ToString()], _folder, Limit);

        Assert.Equal(Expected, said.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Figure($"{new FileInfo(program).Length / 1024.0 / 1024.0:0.0} MB");
    }

    // Published from a copy: the lock files here know neither this machine's compiler nor its runtime, and no other
    // build is disturbed.
    private async Task<string> PublishAsync()
    {
        string[] files =
            ["Directory.Build.props", "Directory.Packages.props", ".editorconfig", "global.json", "LICENSE"];
        foreach (string file in files)
            File.Copy(Repository.Path(file), Path.Combine(_folder, file));
        CopyTree("src/SafeAmqp");
        CopyTree("src/SafeAmqp.Analyzers");
        CopyTree("src/SafeAmqp.CodeFixes");
        CopyTree($"tests/{Program}");
        string output = Path.Combine(_folder, "published");
        string said = await RunAsync("dotnet", ["publish", $"tests/{Program}", "-c", "Release", "-o", output,
            "-r", RuntimeInformation.RuntimeIdentifier, "-p:PublishAot=true", "-p:TrimmerSingleWarn=false",
            "-p:RestoreLockedMode=false", "-p:RunAnalyzers=false", "-nodeReuse:false", "-v:minimal"],
            _folder, PublishLimit);
        Assert.DoesNotMatch(TrimOrAotWarning(), said);
        Assert.False(File.Exists(Path.Combine(output, "SafeAmqp.dll")), "It was not compiled ahead of time.");
        return Path.Combine(output, Program);
    }

    private void CopyTree(string tree)
    {
        string root = Repository.Path(tree.Split('/'));
        foreach (string file in Directory.EnumerateFiles(root, "*", SearchOption.AllDirectories))
        {
            string name = Path.GetRelativePath(Repository.Root, file);
            if (name.Split(Path.DirectorySeparatorChar).Any(part => part is "bin" or "obj"))
                continue;
            string copy = Path.Combine(_folder, name);
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
    }

    private static void RequireLinker()
    {
        string[] path = (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
        if (((string[])["clang", "gcc"]).Any(linker => path.Any(folder => File.Exists(Path.Combine(folder, linker)))))
            return;
        const string Missing = "Neither clang nor gcc is here to link with.";
        Assert.False(Environment.GetEnvironmentVariable("CI") == "true", Missing);
        Assert.Skip(Missing);
    }

    private static async Task<string> RunAsync(string program, string[] arguments, string folder, TimeSpan limit)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["MSBUILDDISABLENODEREUSE"] = "1";
        start.Environment["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1";
        start.Environment.Remove("MSBuildSDKsPath");
        start.Environment.Remove("MSBUILD_EXE_PATH");
        using Process process = Process.Start(start)!;
        try
        {
            Task<string> output = process.StandardOutput.ReadToEndAsync(Cancelled);
            Task<string> errors = process.StandardError.ReadToEndAsync(Cancelled);
            await process.WaitForExitAsync(Cancelled).WaitAsync(limit);
            string said = await output + await errors;
            string command = $"{program} {string.Join(' ', arguments)}";
            Assert.True(process.ExitCode == 0, $"{command} ended with {process.ExitCode}:\n{said}");
            return said;
        }
        finally
        {
            if (!process.HasExited)
                process.Kill(entireProcessTree: true);
        }
    }

    [GeneratedRegex(@"\bIL[23]\d{3}\b")]
    private static partial Regex TrimOrAotWarning();
}
