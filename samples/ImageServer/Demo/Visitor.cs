using System.Diagnostics;
using System.Net.Sockets;
using ImageServer.Protocol;

namespace ImageServer.Demo;

/// <summary>A client that comes, asks for this and that, looks whether each answer is the one to its own question, and
/// goes again, not always politely.</summary>
internal sealed class Visitor(int number, int port, ExpectedPictures expected, Site site, Measurements measurements)
{
    /// <summary>Every command, as they are called in the table.</summary>
    public static IReadOnlyList<string> Commands { get; } = [
        "files", "gen", "gen, next", "next, nothing before", "place", "search", "search, next", "showurl",
        "showurl, refused", "unknown", "video", "gfx, wrong"];

    private static readonly string[] Prompts =
    [
        "three red boats on a blue sea", "a yellow house and two trees in the snow", "five pink balloons in a blue sky",
            "two black cats in a meadow",
        "a rocket and six stars in space", "seven orange fish in the sea", "a green car in the city at night",
            "four purple hearts on white paper",
    ];

    private static readonly string[] Searches = ["boats", "a cat", "mountain sun", "flowers", "night"];

    private readonly Random _random = new(number);

    /// <summary>How often it connected.</summary>
    public int Connections { get; private set; }

    /// <summary>Comes and goes until the time is over.</summary>
    public async Task VisitAsync(TimeSpan time, CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start) < time)
        {
            using var connection = await ConnectAsync(cancellationToken);
            Connections++;
            var mode = ModeFormat.Modes[_random.Next(ModeFormat.Modes.Count)];
            if (_random.Next(4) == 0)
                await ExpectErrorAsync(
                    connection, "next, nothing before", "next", "No previous command to repeat", cancellationToken);
            for (int left = _random.Next(1, 4); left > 0; left--)
                await AskAsync(connection, mode, cancellationToken);
            await LeaveAsync(connection, cancellationToken);
        }
    }

    private async Task<ImageConnection> ConnectAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await ImageConnection.ConnectAsync("127.0.0.1", port, cancellationToken);
        }
        catch (SocketException error)
        {
            throw new InvalidOperationException("The server takes no connection.", error);
        }
    }

    private async Task AskAsync(ImageConnection connection, GraphicsMode mode, CancellationToken cancellationToken)
    {
        string gfx = $"gfx {(int)mode}";
        switch (_random.Next(8))
        {
            case 0 or 1:
                string prompt = Prompts[_random.Next(Prompts.Length)];
                await ExpectAsync(
                    connection, "gen", $"{gfx} gen {prompt}", ()
                    => expected.GeneratedAsync(prompt, 0, mode), cancellationToken);
                await ExpectAsync(
                    connection, "gen, next", "next", () => expected.GeneratedAsync(prompt, 1, mode), cancellationToken);
                break;
            case 2:
                string words = Searches[_random.Next(Searches.Length)];
                await ExpectAsync(
                    connection, "search", $"{gfx} search {words}", ()
                    => expected.FoundAsync(words, 0, mode), cancellationToken);
                await ExpectAsync(
                    connection, "search, next", "next", () => expected.FoundAsync(words, 1, mode), cancellationToken);
                break;
            case 3:
                await ExpectAsync(
                    connection, "files", $"{gfx} files", answer
                    => IsPicture(answer, mode, bytes => expected.IsOfAFile(bytes.Span, mode)), cancellationToken);
                break;
            case 4:
                await ExpectAsync(
                    connection, "video", $"{gfx} video", answer
                    => IsPicture(answer, mode, _ => true), cancellationToken);
                break;
            case 5:
                await ExpectAsync(
                    connection, "showurl", $"{gfx} showurl {site.Picture}", ()
                    => expected.FromSiteAsync(mode), cancellationToken);
                break;
            case 6:
                string address = _random.Next(2) == 0 ? site.Elsewhere : "http://169.254.169.254/picture.png";
                await ExpectErrorAsync(
                    connection, "showurl, refused", $"showurl {address}", "This address is not allowed",
                    cancellationToken);
                break;
            default:
                await ExpectAsync(
                    connection, "unknown", "hello there", answer => IsMessage(answer, "ACK!"), cancellationToken);
                await ExpectAsync(
                    connection, "place", "place", answer => IsMessage(answer, "not in line"), cancellationToken);
                await ExpectErrorAsync(
                    connection, "gfx, wrong", "gfx 3", "Graphics modes are 2, 4, 17, 18", cancellationToken);
                break;
        }
    }

    // By the word for it, without a word, in the middle of a line, and with a request on its way, which then is given
    // up.
    private async Task LeaveAsync(ImageConnection connection, CancellationToken cancellationToken)
    {
        switch (_random.Next(4))
        {
            case 0:
                await connection.SendAsync("quit", cancellationToken);
                break;
            case 1:
                await connection.SendAsync($"gen {Prompts[number % Prompts.Length]} {number}", cancellationToken);
                connection.Abort();
                break;
            case 2:
                connection.Abort();
                break;
        }
    }

    private Task ExpectAsync(
        ImageConnection connection, string name, string line, Func<Task<byte[]>> right,
        CancellationToken cancellationToken)
        => ExpectAsync(connection, name, line, async answer => answer is ReceivedAnswer.Picture picture
            ? (await right()).AsSpan().SequenceEqual(picture.Bytes.Span) ? null
                : "the picture is not the one that was asked for"
            : $"no picture but {answer}", cancellationToken);

    private Task ExpectErrorAsync(
        ImageConnection connection, string name, string line, string text, CancellationToken cancellationToken)
        => ExpectAsync(
            connection, name, line, answer
            => Task.FromResult(answer == new ReceivedAnswer.Error(text) ? null : $"no such error but {answer}"),
            cancellationToken);

    private async Task ExpectAsync(
        ImageConnection connection, string name, string line, Func<ReceivedAnswer, Task<string?>> check,
            CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        var answer = await connection.AskAsync(line, cancellationToken);
        var elapsed = Stopwatch.GetElapsedTime(start);
        measurements.Add(name, elapsed, await check(answer));
    }

    private static Task<string?> IsPicture(
        ReceivedAnswer answer, GraphicsMode mode, Func<ReadOnlyMemory<byte>, bool> isRight)
        => Task.FromResult(
            answer is ReceivedAnswer.Picture picture && picture.Content.Mode == mode && isRight(picture.Bytes)
            ? null
            : $"not such a picture: {answer}");

    private static Task<string?> IsMessage(ReceivedAnswer answer, string text)
        => Task.FromResult(answer == new ReceivedAnswer.Message(text) ? null : $"no such message but {answer}");
}
