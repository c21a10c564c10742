using ImageServer.Protocol;

namespace ImageServer.Client;

/// <summary>Asks the server and shows its answers.</summary>
internal sealed class Conversation(ImageConnection connection, ClientOptions options)
{
    private const int ColumnsOfAFile = 80;
    private static readonly TimeSpan AskForPlaceEvery = TimeSpan.FromSeconds(1);

    /// <summary>Asks one thing, or one after the other.</summary>
    /// <returns>Whether the last answer was no error.</returns>
    public async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        await connection.SendAsync($"gfx {(int)options.Mode}", cancellationToken);
        if (options.Command.Length > 0)
            return await AskAsync(options.Command, cancellationToken);

        bool good = true;
        while (ReadCommand() is { } command && command is not "quit")
        {
            if (command.Length > 0)
                good = await AskAsync(command, cancellationToken);
        }

        return good;
    }

    private static string? ReadCommand()
    {
        if (!Console.IsInputRedirected)
            Console.Write("> ");
        return Console.ReadLine()?.Trim();
    }

    private async Task<bool> AskAsync(string command, CancellationToken cancellationToken)
    {
        if (IsOnlyGfx(command))
        {
            await connection.SendAsync(command, cancellationToken); // which has no answer
            return true;
        }

        await connection.SendAsync(command, cancellationToken);
        switch (await ReadAsync(command, cancellationToken))
        {
            case ReceivedAnswer.Picture picture:
                foreach (string line in TerminalPicture.Lines(picture.Content, options.Columns ?? Columns()))
                    Console.WriteLine(line);
                return true;
            case ReceivedAnswer.Message message:
                Console.WriteLine(message.Text);
                return true;
            case ReceivedAnswer.Error error:
                await Console.Error.WriteLineAsync(error.Text);
                return false;
            default:
                throw new InvalidOperationException("There is no other answer.");
        }
    }

    // While workers draw it asks where it stands. Each question has its own answer, before the picture or right after
    // it.
    private async Task<ReceivedAnswer> ReadAsync(string command, CancellationToken cancellationToken)
    {
        var answer = connection.ReadAsync(cancellationToken);
        int asked = 0;
        ReceivedAnswer? result = null;
        while (result is null || asked > 0)
        {
            if (result is null && MayWait(command) && await IsLateAsync(answer, cancellationToken))
            {
                await connection.SendAsync("place", cancellationToken);
                asked++;
            }

            var received = await answer;
            if (asked > 0 && received is ReceivedAnswer.Message place)
            {
                asked--;
                if (result is null)
                    await Console.Error.WriteLineAsync(place.Text);
            }
            else
            {
                result = received;
            }

            if (result is null || asked > 0)
                answer = connection.ReadAsync(cancellationToken);
        }

        return result;
    }

    private static async Task<bool> IsLateAsync(Task answer, CancellationToken cancellationToken)
        => await Task.WhenAny(answer, Task.Delay(AskForPlaceEvery, cancellationToken)) != answer;

    private static bool MayWait(string command)
        => command.Contains("gen ", StringComparison.Ordinal) || command.Contains("search ", StringComparison.Ordinal)
            || command.EndsWith("next", StringComparison.Ordinal);

    private static bool IsOnlyGfx(string command)
        => command.Split(' ', StringSplitOptions.RemoveEmptyEntries) is ["gfx", var mode]
        && int.TryParse(mode, out int number) && ModeFormat.Exists(number);

    private static int Columns()
        => Console.IsOutputRedirected || Console.WindowWidth < 1 ? ColumnsOfAFile : Console.WindowWidth;
}
