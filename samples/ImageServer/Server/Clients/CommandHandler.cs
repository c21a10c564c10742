using GuardedFetching;
using ImageServer.Protocol;
using ImageServer.Server.Calls;
using ImageServer.Server.Images;
using ImageServer.Server.State;
using ImageServer.Server.Video;

namespace ImageServer.Server.Clients;

/// <summary>An answer, ready to be sent, and what the picture in it is; null when there is none.</summary>
internal readonly record struct CommandAnswer(ReadOnlyMemory<byte> Bytes, string? Title = null);

/// <summary>A command's client, and for how long its answer is wanted.</summary>
/// <param name="ClientId">Whose command it is.</param>
/// <param name="Mode">The mode of a picture.</param>
/// <param name="Left">The client says no more, and may be gone; also when <paramref name="Unwanted"/> is.</param>
/// <param name="Unwanted">The answer can reach the client no more.</param>
internal readonly record struct Asker(
    int ClientId, GraphicsMode Mode, CancellationToken Left, CancellationToken Unwanted);

/// <summary>Makes the answer to a command. Used by all sessions at once; what it remembers, the owner of the state
/// remembers.</summary>
internal sealed class CommandHandler(
    StateOwner owner, PictureMaker pictures, WorkerCalls workers, GuardedFetcher fetcher, IFrameSource frames,
        ServerMetrics metrics,
    ILogger<CommandHandler> log)
{
    // How many files are tried when some turn out to be no pictures.
    private const int FilesTried = 5;

    /// <summary>Makes the answer.</summary>
    /// <exception cref="OperationCanceledException">No client waits for it any more.</exception>
    public async Task<CommandAnswer> AnswerAsync(Command command, Asker asker)
    {
        try
        {
            var answer = command switch
            {
                Command.Next => await NextAsync(asker),
                Command.Files => await ChooseAsync(new Source.Files(), asker),
                Command.Video => await ChooseAsync(new Source.Video(), asker),
                Command.Search search => await ChooseAsync(new Source.Search(NotEmpty(search.Words), 0), asker),
                Command.Gen gen => await ChooseAsync(new Source.Generate(NotEmpty(gen.Prompt), 0), asker),
                Command.ShowUrl url => await ChooseAsync(new Source.Url(url.Url), asker),
                Command.Place => new CommandAnswer(Place(asker.ClientId)),
                Command.Gfx => throw new ImageRefusedException(
                    $"Graphics modes are {string.Join(", ", ModeFormat.Modes.Select(one => (int)one))}"),
                Command.TooLong
                    => throw new ImageRefusedException($"A line has at most {LineReader.MaxLineBytes} bytes"),
                _ => new CommandAnswer(Wire.Message("ACK!")),
            };
            metrics.Request(command.Name, succeeded: true);
            return answer;
        }
        catch (Exception error) when (error is ImageRefusedException or WorkerException)
        {
            metrics.Request(command.Name, succeeded: false);
            log.AnsweredWithError(asker.ClientId, command.Name, error.Message);
            return new CommandAnswer(Wire.Error(error.Message));
        }
    }

    /// <summary>The place of a client's request in the line, as a message.</summary>
    public byte[] Place(int clientId) => Wire.Message(owner.Current.PlaceOf(clientId) is { } place
        ? $"{place.Place} of {place.Length} in line"
        : "not in line");

    private async Task<CommandAnswer> ChooseAsync(Source source, Asker asker)
    {
        owner.Choose(asker.ClientId, source);
        return await ShowAsync(source, asker);
    }

    private async Task<CommandAnswer> NextAsync(Asker asker)
        => await owner.AdvanceAsync(asker.ClientId) is { } source
            ? await ShowAsync(source, asker)
            : throw new ImageRefusedException("No previous command to repeat");

    private async Task<CommandAnswer> ShowAsync(Source source, Asker asker)
    {
        switch (source)
        {
            case Source.Files:
                return await ShowFileAsync(asker);
            case Source.Video:
                return new CommandAnswer(
                    await pictures.FromFrameAsync(frames.Frame, asker.Mode, asker.Unwanted), source.Title);
            case Source.Url url:
                return await ConvertAsync(await FetchAsync(url.Address, asker.Unwanted), source.Title, asker);
            case Source.Search search:
                var found = await workers.SearchAsync(asker.ClientId, search, asker.Left);
                return await ConvertAsync(found.Bytes, found.Title, asker);
            case Source.Generate generate:
                var drawn = await workers.GenerateAsync(asker.ClientId, generate, asker.Left);
                return await ConvertAsync(drawn.Bytes, drawn.Title, asker);
            default:
                throw new InvalidOperationException($"Nothing shows {source.GetType().Name}.");
        }
    }

    private async Task<CommandAnswer> ConvertAsync(ReadOnlyMemory<byte> image, string title, Asker asker)
        => new(await pictures.FromBytesAsync(image, asker.Mode, asker.Unwanted), title);

    // From a snapshot: however long the list of files is, and whatever the owner does meanwhile.
    private async Task<CommandAnswer> ShowFileAsync(Asker asker)
    {
        var files = owner.Current.Files;
        for (int tries = 0; tries < FilesTried && !files.IsEmpty; tries++)
        {
            var file = files[Random.Shared.Next(files.Length)];
            try
            {
                return new CommandAnswer(
                    await pictures.FromFileAsync(file, asker.Mode, asker.Unwanted), Path.GetFileName(file.Path));
            }
            catch (ImageRefusedException error)
            {
                log.FileDropped(file.Path, error.Message);
                owner.DropFile(file);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                log.FileNotRead(file.Path, error.Message); // it may be readable the next time
            }

            files = files.Remove(file);
        }

        throw new ImageRefusedException("No image files available");
    }

    private async Task<byte[]> FetchAsync(string address, CancellationToken unwanted)
    {
        if (!Uri.TryCreate(address, UriKind.Absolute, out var uri))
            throw new ImageRefusedException("showurl needs an address");
        var fetched = await fetcher.FetchAsync(uri, ImageDecoder.MaxBytes, unwanted);
        // The reason may name what an address leads to, which only the operator should know.
        if (fetched.Error is { } reason)
            log.AddressNotShown(uri.Host, reason);
        return fetched.Error is null ? fetched.Body
            : throw new ImageRefusedException(
                fetched.IsRefused ? "This address is not allowed" : "This address could not be fetched");
    }

    private static string NotEmpty(string words)
        => words.Length > 0 ? words : throw new ImageRefusedException("What of? Say it in words");
}
