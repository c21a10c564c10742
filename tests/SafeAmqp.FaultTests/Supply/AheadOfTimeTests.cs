using System.Runtime.InteropServices;
using System.Text.RegularExpressions;

namespace SafeAmqp.FaultTests.Supply;

// What reflection would find at run time is gone from a program that is compiled ahead of time: only such a program
// shows that nothing needs it.
[Collection(nameof(Published))]
public sealed partial class AheadOfTimeTests(PackageFeed packages) : FaultCase
{
    private const string Program = "SafeAmqp.AotProgram";

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
        "counted 1 2 3",
        "subscribed to news",
        "got last of 1",
        "failed AmqpTopologyException ",
        "safeamqp Healthy",
        "safeamqp-live Healthy",
        "links Open Open",
        "spans ack call call_many create nack process publish receive",
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

        await using var running = Command.Start(_folder, program, [broker.Uri.ToString()]);
        string said = await running.EndAsync();

        Assert.Equal(Expected, said.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Figure($"{new FileInfo(program).Length / 1024.0 / 1024.0:0.0} MB");
    }

    // As a user would: of the package, with warnings as errors.
    private async Task<string> PublishAsync()
    {
        File.Copy(Repository.Path("tests", Program, "Program.cs"), Path.Combine(_folder, "Program.cs"));
        await File.WriteAllTextAsync(Path.Combine(_folder, "NuGet.Config"), packages.NuGetConfig(isOnly: false),
            Cancelled);
        await File.WriteAllTextAsync(Path.Combine(_folder, $"{Program}.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <Nullable>enable</Nullable>
                <ImplicitUsings>enable</ImplicitUsings>
                <InvariantGlobalization>true</InvariantGlobalization>
                <PublishAot>true</PublishAot>
                <TrimmerSingleWarn>false</TrimmerSingleWarn>
                <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
                <NuGetAudit>false</NuGetAudit>
              </PropertyGroup>
              <ItemGroup>
                <PackageReference Include="Microsoft.Extensions.Hosting" Version="{HostingVersion()}" />
                <PackageReference Include="SafeAmqp" Version="{packages.VersionOf("SafeAmqp")}" />
              </ItemGroup>
            </Project>
            """, Cancelled);
        string output = Path.Combine(_folder, "published");
        await using var publish = Command.Start(_folder, "bash", ["-ec",
            $"export NUGET_PACKAGES={Path.Combine(_folder, "packages")}\ndotnet publish -c Release -o {output} "
                + $"-r {RuntimeInformation.RuntimeIdentifier} -nodeReuse:false -v:minimal"]);
        Assert.DoesNotMatch(TrimOrAotWarning(), await publish.EndAsync());
        Assert.False(File.Exists(Path.Combine(output, "SafeAmqp.dll")), "It was not compiled ahead of time.");
        return Path.Combine(output, Program);
    }

    private static string HostingVersion()
        => Regex.Match(File.ReadAllText(Repository.Path("Directory.Packages.props")),
            "\"Microsoft.Extensions.Hosting\" Version=\"(.+?)\"").Groups[1].Value;

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

    [GeneratedRegex(@"\bIL[23]\d{3}\b")]
    private static partial Regex TrimOrAotWarning();
}
