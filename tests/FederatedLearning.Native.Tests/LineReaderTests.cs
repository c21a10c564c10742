using FederatedLearning.Quic;
using QuicTransports;

namespace FederatedLearning.Tests;

public sealed class LineReaderTests
{
    // What comes at once comes within it, however busy the machine is.
    private static readonly TimeSpan Stall = TimeSpan.FromSeconds(1);

    [Fact]
    public async Task The_time_of_a_line_begins_with_its_first_byte_however_long_nothing_came_before()
    {
        var pieces = new Pieces((Stall * 1.5, "ab"), (TimeSpan.Zero, "c\r\n"), (Stall * 1.5, "d\n"));
        using var lines = new LineReader(pieces, Stall);
        Assert.Equal("abc\r", await NextAsync(lines));
        Assert.Equal("d", await NextAsync(lines));
        Assert.Null(await lines.NextAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task A_line_that_is_begun_and_not_gone_on_with_is_refused()
    {
        using var lines = new LineReader(new Pieces((TimeSpan.Zero, "ab"), (TimeSpan.FromMinutes(1), "c\n")), Stall);
        await Assert.ThrowsAsync<LineRefusedException>(
            async () => await lines.NextAsync(TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("123456789\n")]
    [InlineData("123456789")]
    public async Task A_line_beyond_the_limit_is_refused_whether_it_ends_or_not(string line)
    {
        string more = line.EndsWith('\n') ? "" : new string('x', 5000);
        using var lines = new LineReader(new Pieces((TimeSpan.Zero, line + more)), Stall) { Limit = 8 };
        await Assert.ThrowsAsync<LineRefusedException>(
            async () => await lines.NextAsync(TestContext.Current.CancellationToken));
    }

    private static async Task<string> NextAsync(LineReader lines)
        => System.Text.Encoding.UTF8.GetString(
            (await lines.NextAsync(TestContext.Current.CancellationToken))!.Value.Span);

    // What comes, each piece after its time; then the end.
    private sealed class Pieces(params (TimeSpan After, string Text)[] pieces) : IQuicConnection
    {
        private readonly Queue<(TimeSpan After, string Text)> _pieces = new(pieces);

        public string Peer => "";

        public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
        {
            if (!_pieces.TryPeek(out var piece))
                return 0;
            await Task.Delay(piece.After, cancellationToken);
            _pieces.Dequeue();
            byte[] bytes = System.Text.Encoding.UTF8.GetBytes(piece.Text);
            int length = Math.Min(bytes.Length, buffer.Length);
            bytes.AsSpan(0, length).CopyTo(buffer.Span);
            if (length < bytes.Length)
                _pieces.Enqueue((TimeSpan.Zero, piece.Text[length..]));
            return length;
        }

        public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) => default;

        public Task<bool> AnswersAsync(TimeSpan within, CancellationToken cancellationToken) => Task.FromResult(true);

        public Task FinishAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public ValueTask DisposeAsync() => default;
    }
}
