using ImageServer.Protocol;
using ImageServer.Server;
using ImageServer.Server.Clients;
using Microsoft.Extensions.Configuration;

namespace ImageServer.Tests;

public sealed class CommandTests
{
    [Fact]
    public void Each_command_is_read_with_what_belongs_to_it()
    {
        Assert.Equal([new Command.Quit()], Command.Parse("quit"));
        Assert.Equal([new Command.Search("red cats")], Command.Parse("search red cats"));
        Assert.Equal([new Command.ShowUrl("http://a/b.png")], Command.Parse("showurl http://a/b.png"));
        Assert.Equal([new Command.Next()], Command.Parse("next"));
        Assert.Equal([new Command.Gfx(GraphicsMode.Vbxe16)], Command.Parse("gfx 18"));
        Assert.Equal([new Command.Gen("a b c")], Command.Parse("  gen  a b   c "));
        Assert.Equal([new Command.Files()], Command.Parse("files"));
        Assert.Equal([new Command.Video()], Command.Parse("video"));
    }

    [Fact]
    public void Gfx_may_stand_before_another_command_in_the_same_line()
    {
        Assert.Equal(
            [new Command.Gfx(GraphicsMode.Graphics9), new Command.Gen("gfx 2 boats")],
            Command.Parse("gfx 4 gen gfx 2 boats"));
        Assert.Equal(
            [new Command.Gfx(GraphicsMode.Graphics8), new Command.Files(), new Command.Next()],
            Command.Parse("gfx 2 files next"));
    }

    [Theory]
    [InlineData("gfx")]
    [InlineData("gfx 3")]
    [InlineData("gfx -2")]
    [InlineData("gfx 99999999999")]
    [InlineData("gfx two")]
    public void A_mode_that_there_is_not_is_told_from_one_that_there_is(string line)
        => Assert.Equal([new Command.Gfx(null)], Command.Parse(line));

    [Theory]
    [InlineData("QUIT")]
    [InlineData("generate")]
    [InlineData("GET / HTTP/1.1")]
    [InlineData("\0\u0001\ufffd")]
    public void What_is_unknown_is_one_unknown_command_whatever_stands_behind_it(string line)
        => Assert.Equal([new Command.Unknown()], Command.Parse(line));

    [Fact]
    public async Task Lines_end_with_CR_LF_or_0x9B_and_come_in_any_pieces()
    {
        byte[] sent = [.. "files\r\nnext\rgfx 2"u8, 0x9B, .. "  \r\n\n\nquit\nnever ended"u8];
        foreach (int piece in (int[])[1, 2, 3, 7, sent.Length])
        {
            var reader = new LineReader(new Pieces(sent, piece), new ImageSettings(), TimeProvider.System);
            foreach (string? expected in (string?[])["files", "next", "gfx 2", "quit", null])
                Assert.Equal(
                    expected, (await reader.NextAsync(() => false, TestContext.Current.CancellationToken))?.Text);
        }
    }

    [Fact]
    public async Task A_line_that_is_too_long_is_passed_over_and_the_next_is_read()
    {
        byte[] sent = [
            .. new byte[1 << 20], (byte)'\n', .. Enumerable.Repeat((byte)'a', LineReader.MaxLineBytes), 0x9B];
        var reader = new LineReader(new Pieces(sent, 10_000), new ImageSettings(), TimeProvider.System);
        Assert.Equal(new Line(null), await reader.NextAsync(() => false, TestContext.Current.CancellationToken));
        Assert.Equal(
            LineReader.MaxLineBytes,
            (await reader.NextAsync(() => false, TestContext.Current.CancellationToken))?.Text?.Length);
    }

    [Fact]
    public async Task A_line_without_end_is_cut_off()
    {
        var reader = new LineReader(
            new Pieces(new byte[LineReader.MaxSkippedBytes + LineReader.MaxLineBytes + 65_536], 65_536),
            new ImageSettings(), TimeProvider.System);
        var cutOff = await Assert.ThrowsAsync<ClientCutOffException>(
            () => reader.NextAsync(() => false, TestContext.Current.CancellationToken));
        Assert.Equal("endless_line", cutOff.Reason);
    }

    [Fact]
    public void The_command_line_is_that_of_the_original()
    {
        var options = CommandLineOptions.Read(
            ["--paths", "/a b", "/c:2024 ", "--port", "1234", "--gen-model=patient", "--loglevel", "debug"]);
        Assert.Equal(("/a b", "/c:2024 "), (options["PATHS:0"], options["PATHS:1"])); // any character may be in a name
        Assert.Equal("1234", options["PORT"]);
        Assert.Equal("patient", options["GEN_MODEL"]);
        Assert.Equal("debug", options["LOGLEVEL"]);
    }

    [Fact]
    public void An_option_that_has_one_value_does_not_take_a_second()
    {
        var error = Assert.Throws<InvalidOperationException>(
            () => CommandLineOptions.Read(["--gen-model", "painter", "dotnet"]));
        Assert.Equal("--gen-model has one value, and \"dotnet\" would be a second.", error.Message);
    }

    [Fact]
    public void Folders_come_one_by_one_from_the_command_line_and_in_one_text_from_the_environment()
    {
        Assert.Equal(
            [Path.GetFullPath("/a b"), Path.GetFullPath("/c:2024")],
            Settings([.. CommandLineOptions.Read(["--paths", "/a b", "/c:2024"])]).Paths);
        Assert.Equal(
            [Path.GetFullPath("/a b"), Path.GetFullPath("/c")],
            Settings(KeyValuePair.Create("PATHS", (string?)$" /a b{Path.PathSeparator}/c")).Paths);
    }

    [Fact]
    public void A_blank_setting_is_one_that_is_not_set()
    {
        string[] names = ["LISTEN", "QUEUE_EXPIRES_SECONDS", "RABBITMQ_REQUIRE_TLS", "PATHS", "MAX_LINE"];
        var (blank, unset) = (Settings([.. names.Select(name => KeyValuePair.Create(name, (string?)" "))]), Settings());
        Assert.Equal(
            (unset.Listen, unset.QueueExpiry, unset.RequireTls, unset.Paths.Count, unset.MaxLine),
            (blank.Listen, blank.QueueExpiry, blank.RequireTls, blank.Paths.Count, blank.MaxLine));
    }

    private static ImageSettings Settings(params KeyValuePair<string, string?>[] values)
        => ImageSettings.From(new ConfigurationBuilder().AddInMemoryCollection(values).Build());

    /// <summary>A stream that gives so many bytes at a time.</summary>
    private sealed class Pieces(byte[] bytes, int size) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
            => base.ReadAsync(buffer[..Math.Min(size, buffer.Length)], cancellationToken);
    }
}
