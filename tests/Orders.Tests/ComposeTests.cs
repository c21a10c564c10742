using System.Diagnostics;
using YamlDotNet.RepresentationModel;

namespace Orders.Tests;

/// <summary>The compose file of docs/compose-and-aspire.md says what the programs that it starts read.</summary>
public sealed class ComposeTests
{
    private static readonly string File = Path.Combine(AppContext.BaseDirectory, "compose.yaml");

    private static YamlMappingNode Services
    {
        get
        {
            var yaml = new YamlStream();
            using var text = System.IO.File.OpenText(File);
            yaml.Load(text);
            return (YamlMappingNode)yaml.Documents.Single().RootNode["services"];
        }
    }

    [Theory]
    [InlineData("order-service")]
    [InlineData("order-worker")]
    public void Each_program_finds_the_broker_of_the_file(string program)
    {
        YamlNode service = Services[program];
        Assert.Equal(program, service["image"].ToString());
        var address = new Uri(service["environment"]["ConnectionStrings__SafeAmqp"].ToString());
        Assert.Equal("amqp", address.Scheme);
        Assert.StartsWith("rabbitmq:4.0", Services[address.Host]["image"].ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Docker_Compose_reads_the_file()
    {
        (bool hasCompose, _) = await RunAsync("version");
        Assert.SkipUnless(hasCompose, "Docker Compose is not here to read the file.");
        (bool isRight, string said) = await RunAsync("-f", File, "config", "--quiet");
        Assert.True(isRight, said);
    }

    private static async Task<(bool Succeeded, string Said)> RunAsync(params string[] arguments)
    {
        try
        {
            using Process docker = Process.Start(new ProcessStartInfo("docker", ["compose", .. arguments])
            {
                RedirectStandardOutput = true,
                RedirectStandardError = true,
            })!;
            Task<string> output = docker.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
            string errors = await docker.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
            await docker.WaitForExitAsync(TestContext.Current.CancellationToken);
            return (docker.ExitCode == 0, await output + errors);
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return (false, "There is no such program.");
        }
    }
}
