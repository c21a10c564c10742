using GuardedFetching;
using ImageServer.Protocol;
using ImageServer.Server.Calls;
using ImageServer.Server.Images;
using ImageServer.Server.State;
using ImageServer.Server.Video;

namespace ImageServer.Server.Clients;

/// <summary>An answer, ready to be sent, and what the picture in it is; null when there is none.</summary>
internal readonly record struct CommandAnswer(ReadOnlyMemory<byte> Bytes, string? Title = null);

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
    public async Task<CommandAnswer> AnswerAsync(
        int clientId, Command command, GraphicsMode mode, CancellationToken unwanted)
    {
        try
        {
            var answer = command switch
            {
                Command.Next => await NextAsync(clientId, mode, unwanted),
                Command.Files => await ChooseAsync(clientId, new Source.Files(), mode, unwanted),
                Command.Video => await ChooseAsync(clientId, new Source.Video(), mode, unwanted),
                Command.Search search
                    => await ChooseAsync(clientId, new Source.Search(NotEmpty(search.Words), 0), mode, unwanted),
                Command.Gen gen
                    => await ChooseAsync(clientId, new Source.Generate(NotEmpty(gen.Prompt), 0), mode, unwanted),
                Command.ShowUrl url => await ChooseAsync(clientId, new Source.Url(url.Url), mode, unwanted),
                Command.Place => new CommandAnswer(Place(clientId)),
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
            log.AnsweredWithError(clientId, command.Name, error.Message);
            return new CommandAnswer(Wire.Error(error.Message));
        }
    }

    /// <summary>The place of a client's request in the line, as a message.</summary>
    public byte[] Place(int clientId) => Wire.Message(owner.Current.PlaceOf(clientId) is { } place
        ? $"{place.Place} of {place.Length} in line"
        : "not in line");

    private async Task<CommandAnswer> ChooseAsync(
        int clientId, Source source, GraphicsMode mode, CancellationToken unwanted)
    {
        owner.Choose(clientId, source);
        return await ShowAsync(clientId, source, mode, unwanted);
    }

    private async Task<CommandAnswer> NextAsync(int clientId, GraphicsMode mode, CancellationToken unwanted)
        => await owner.AdvanceAsync(clientId) is { } source
            ? await ShowAsync(clientId, source, mode, unwanted)
            : throw new ImageRefusedException("No previous command to repeat");

    private async Task<CommandAnswer> ShowAsync(
        int clientId, Source source, GraphicsMode mode, CancellationToken unwanted)
    {
        switch (source)
        {
            case Source.Files:
                return await ShowFileAsync(mode, unwanted);
            case Source.Video:
                return new CommandAnswer(await pictures.FromFrameAsync(frames.Frame, mode, unwanted), source.Title);
            case Source.Url url:
                return new CommandAnswer(
                    await pictures.FromBytesAsync(await FetchAsync(url.Address, unwanted), mode, unwanted),
                    source.Title);
            case Source.Search search:
                return await ConvertAsync(await workers.SearchAsync(clientId, search, unwanted), mode, unwanted);
            case Source.Generate generate:
                return await ConvertAsync(await workers.GenerateAsync(clientId, generate, unwanted), mode, unwanted);
            default:
                throw new InvalidOperationException($"Nothing shows {source.GetType().Name}.");
        }
    }

    private async Task<CommandAnswer> ConvertAsync(WorkerPicture picture, GraphicsMode mode, CancellationToken unwanted)
        => new(await pictures.FromBytesAsync(picture.Bytes, mode, unwanted), picture.Title);

    // From a snapshot: however long the list of files is, and whatever the owner does meanwhile.
    private async Task<CommandAnswer> ShowFileAsync(GraphicsMode mode, CancellationToken unwanted)
    {
        var files = owner.Current.Files;
        for (int tries = 0; tries < FilesTried && !files.IsEmpty; tries++)
        {
            var file = files[Random.Shared.Next(files.Length)];
            try
            {
                return new CommandAnswer(
                    await pictures.FromFileAsync(file, mode, unwanted), Path.GetFileName(file.Path));
            }
            catch (ImageRefusedException error)
            {
                log.FileDropped(file.Path, error.Message);
                owner.DropFile(file);
                files = files.Remove(file);
            }
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
