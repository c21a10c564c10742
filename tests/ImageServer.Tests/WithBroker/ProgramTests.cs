using System.Text.RegularExpressions;
using ChildPrograms;
using ImageServer.Client;
using ImageServer.Protocol;
using ImageServer.Tests.Support;

namespace ImageServer.Tests.WithBroker;

/// <summary>The programs as people start them.</summary>
public sealed partial class ProgramTests(Broker broker)
{
    [Fact]
    public async Task The_demonstration_finds_every_answer_right_and_says_so_by_its_exit_code()
    {
        _ = broker.Uri; // as the demonstration needs one, too
        var folder = Directory.CreateTempSubdirectory("image-demo-");
        try
        {
            await using var demo = ChildProgram.Start(
                "demonstration", "ImageServer.Demo", [folder.FullName], new Dictionary<string, string>());
            Assert.True(await demo.EndAsync(TestContext.Current.CancellationToken) == 0,
                string.Join('\n', demo.LastLines));
            Assert.Contains(
                demo.LastLines, line
                => line.StartsWith("OK: every client got its own pictures", StringComparison.Ordinal));
            Assert.Equal(
                ["mode-17.png", "mode-18.png", "mode-2.png", "mode-4.png", "modes.png"], folder.EnumerateFiles()
                .Select(file => file.Name).Order(StringComparer.Ordinal));
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task The_client_shows_a_picture_in_the_terminal_in_its_colours()
    {
        await using var server = await RunningServer.StartAsync(broker.Uri);
        await server.StartWorkerAsync();
        await using var client = ChildProgram.Start("client", "ImageServer.Client",
            ["--server", $"127.0.0.1:{server.Port}", "--columns", "40", "gen", "a red circle on a blue background"],
                new Dictionary<string, string>());
        Assert.Equal(0, await client.EndAsync(TestContext.Current.CancellationToken));

        var lines = client.LastLines.Where(line => line.Contains('▀')).ToList();
        Assert.Equal(15, lines.Count); // 40 wide, 30 high, two to a character
        Assert.All(lines, line => Assert.Equal(40, line.Count(c => c == '▀')));
        var dots = lines.SelectMany(line => Dot().Matches(line)).ToList();
        Assert.Contains(dots, dot => Channel(dot, 1) > 180 && Channel(dot, 3) < 80); // the circle
        Assert.True(Channel(dots[0], 3) > 150 && Channel(dots[0], 1) < 100, "the corner is blue");
    }

    [Fact]
    public async Task The_client_ends_with_1_after_an_error_and_with_2_when_it_is_not_understood()
    {
        await using var server = await RunningServer.StartAsync(broker.Uri);
        await using var wrong = ChildProgram.Start(
            "client", "ImageServer.Client", ["--server", $"127.0.0.1:{server.Port}", "next"],
            new Dictionary<string, string>());
        Assert.Equal(1, await wrong.EndAsync(TestContext.Current.CancellationToken));
        Assert.Contains("No previous command to repeat", wrong.LastLines);
        await using var unclear = ChildProgram.Start(
            "client", "ImageServer.Client", ["--mode", "3"], new Dictionary<string, string>());
        Assert.Equal(2, await unclear.EndAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public void The_clients_command_line_is_read()
    {
        Assert.Equal(
            new ClientOptions(null, 5556, GraphicsMode.Vbxe256, null, "gen red boats"),
            ClientOptions.Read(["gen", "red", "boats"]));
        Assert.Equal(
            new ClientOptions("here", 77, GraphicsMode.Graphics9, 60, "files"),
            ClientOptions.Read(["--server", "here:77", "--mode", "4", "--columns", "60", "files"]));
        Assert.Null(ClientOptions.Read(["--server"]));
        Assert.Null(ClientOptions.Read(["--sever", "here"]));
    }

    private static int Channel(Match dot, int group)
        => int.Parse(dot.Groups[group].Value, System.Globalization.CultureInfo.InvariantCulture);

    [GeneratedRegex(@"38;2;(\d+);(\d+);(\d+);48")]
    private static partial Regex Dot();
}
