using ImageServer.Protocol;
using ImageServer.Server;
using ImageServer.Server.Clients;

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
            ["--paths", "/a b", "/c", "--port", "1234", "--gen-model=patient", "--loglevel", "debug"]);
        Assert.Equal($"/a b{Path.PathSeparator}/c", options["PATHS"]);
        Assert.Equal("1234", options["PORT"]);
        Assert.Equal("patient", options["GEN_MODEL"]);
        Assert.Equal("debug", options["LOGLEVEL"]);
    }

    /// <summary>A stream that gives so many bytes at a time.</summary>
    private sealed class Pieces(byte[] bytes, int size) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
            => base.ReadAsync(buffer[..Math.Min(size, buffer.Length)], cancellationToken);
    }
}
