using System.Diagnostics;
using System.Globalization;
using ChildPrograms;

[assembly: AssemblyFixture(typeof(FederatedLearning.Tests.Support.CPeer))]

namespace FederatedLearning.Tests.Support;

/// <summary>
/// The client in C on Cyclone DDS: its type's code made by idlc, compiled by gcc, once for all tests.
/// </summary>
public sealed class CPeer : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("fl-peer-").FullName;
    private string? _missing;

    public async ValueTask InitializeAsync()
    {
        string source = Path.Combine(Repository.Root, "tests", "FederatedLearning.Native.Tests", "Peers", "dds");
        string machine;
        try
        {
            machine = (await RunAsync("gcc", "-dumpmachine")).Trim();
            await RunAsync("idlc", Path.Combine(source, "FlMessage.idl"));
        }
        catch (System.ComponentModel.Win32Exception error)
        {
            _missing = $"{error.Message} (apt-get install gcc cyclonedds-dev cyclonedds-tools)";
            return;
        }
        await RunAsync("gcc", "-O1", "-Wall", "-Wextra", "-Werror", "-I.", $"-I/usr/include/{machine}",
            Path.Combine(source, "peer.c"), "FlMessage.c", "-lddsc", "-o", "peer");
    }

    public ChildProgram Start(int domain, params string[] arguments)
    {
        Repository.Need(_missing is null, _missing ?? "");
        // Loopback alone, as the server: what CYCLONEDDS_URI says holds for the peer.
        // One that will be killed is given up soon.
        int lease = arguments[0] == "stall" ? 2 : 10;
        var environment = new Dictionary<string, string>
        {
            ["CYCLONEDDS_URI"] = $"""
                <CycloneDDS><Domain id="any">
                  <General>
                    <Interfaces><NetworkInterface name="lo" multicast="false"/></Interfaces>
                    <AllowMulticast>false</AllowMulticast>
                    <MaxMessageSize>65500B</MaxMessageSize><FragmentSize>63000B</FragmentSize>
                  </General>
                  <Discovery>
                    <ParticipantIndex>auto</ParticipantIndex><MaxAutoParticipantIndex>119</MaxAutoParticipantIndex>
                    <Peers><Peer address="127.0.0.1"/></Peers><LeaseDuration>{lease}s</LeaseDuration>
                  </Discovery>
                </Domain></CycloneDDS>
                """,
        };
        return ChildProgram.StartProgram($"peer {arguments[0]}", Path.Combine(_folder, "peer"),
            [domain.ToString(CultureInfo.InvariantCulture), .. arguments], environment,
            line => TestContext.Current.TestOutputHelper?.WriteLine(line));
    }

    public ValueTask DisposeAsync()
    {
        Directory.Delete(_folder, recursive: true);
        return ValueTask.CompletedTask;
    }

    private async Task<string> RunAsync(string program, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = _folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        string said = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? said : throw new InvalidOperationException($"{program}: {said}{await errors}");
    }
}
