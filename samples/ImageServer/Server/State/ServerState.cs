using System.Collections.Immutable;
using ImageServer.Protocol;

namespace ImageServer.Server.State;

/// <summary>An image file in one of the folders. A file that was changed is another.</summary>
internal sealed record ImageFile(string Path, long Bytes, DateTime Written);

/// <summary>A connected client.</summary>
internal sealed record ClientState(int Id, string Address, Source? Source);

/// <summary>A request to the workers that has not ended yet.</summary>
internal sealed record WaitingRequest(long Ticket, int ClientId, Source Source, DateTimeOffset Since);

/// <summary>A picture that was sent.</summary>
internal sealed record ShownPicture(
    long Number, int ClientId, string Title, GraphicsMode Mode, ReadOnlyMemory<byte> Answer);

/// <summary>A place in the line of requests; 1 is the oldest.</summary>
internal readonly record struct PlaceInLine(int Place, int Length);

/// <summary>
/// All that clients share: an immutable value. Each change makes another one, and only <see cref="StateOwner"/> decides
/// which is the current one. A reader may keep one as long as it likes.
/// </summary>
internal sealed record ServerState
{
    /// <summary>How many of the last pictures are kept.</summary>
    public const int PicturesKept = 8;

    /// <summary>The files to show.</summary>
    public ImmutableArray<ImageFile> Files { get; init; } = [];

    /// <summary>Files that turned out to be no pictures.</summary>
    public ImmutableHashSet<ImageFile> Unreadable { get; init; } = [];

    /// <summary>The connected clients.</summary>
    public ImmutableDictionary<int, ClientState> Clients { get; init; } = ImmutableDictionary<int, ClientState>.Empty;

    /// <summary>How many clients there have been: the id of the last one.</summary>
    public int ClientsSeen { get; init; }

    /// <summary>The most clients at once.</summary>
    public int MostClients { get; init; }

    /// <summary>The last prompt of any client.</summary>
    public string? LastPrompt { get; init; }

    /// <summary>Requests to the workers that have not ended, oldest first.</summary>
    public ImmutableList<WaitingRequest> Line { get; init; } = [];

    /// <summary>The ticket of the last request.</summary>
    public long LastTicket { get; init; }

    /// <summary>The last pictures, newest first.</summary>
    public ImmutableList<ShownPicture> Pictures { get; init; } = [];

    /// <summary>How many pictures were sent.</summary>
    public long PicturesShown { get; init; }

    /// <summary>A client came.</summary>
    public ServerState WithClient(string address) => this with
    {
        ClientsSeen = ClientsSeen + 1,
        Clients = Clients.Add(ClientsSeen + 1, new ClientState(ClientsSeen + 1, address, null)),
        MostClients = Math.Max(MostClients, Clients.Count + 1),
    };

    /// <summary>A client left.</summary>
    public ServerState WithoutClient(int id) => this with { Clients = Clients.Remove(id) };

    /// <summary>A client chose where its pictures come from. One that has left chooses nothing.</summary>
    public ServerState WithSource(int id, Source source) => Clients.TryGetValue(id, out var client)
        ? this with
        {
            Clients = Clients.SetItem(id, client with { Source = source }),
            LastPrompt = source is Source.Generate generate ? generate.Prompt : LastPrompt,
        }
        : this;

    /// <summary>The folders were looked through.</summary>
    public ServerState WithFiles(ImmutableArray<ImageFile> found) => this with
    {
        Files = [.. found.Where(file => !Unreadable.Contains(file))],
        Unreadable = Unreadable.Intersect(found),
    };

    /// <summary>A file turned out to be no picture.</summary>
    public ServerState WithUnreadable(ImageFile file) => Files.Contains(file)
        ? this with { Files = Files.Remove(file), Unreadable = Unreadable.Add(file) }
        : this;

    /// <summary>A request joined the line.</summary>
    public ServerState WithRequest(int clientId, Source source, DateTimeOffset now) => this with
    {
        LastTicket = LastTicket + 1,
        Line = Line.Add(new WaitingRequest(LastTicket + 1, clientId, source, now)),
    };

    /// <summary>A request ended, in whichever way.</summary>
    public ServerState WithoutRequest(long ticket)
        => this with { Line = Line.RemoveAll(request => request.Ticket == ticket) };

    /// <summary>A picture was sent.</summary>
    public ServerState WithPicture(int clientId, string title, GraphicsMode mode, ReadOnlyMemory<byte> answer)
    {
        var pictures = Pictures.Insert(0, new ShownPicture(PicturesShown + 1, clientId, title, mode, answer));
        return this with
        {
            PicturesShown = PicturesShown + 1,
            Pictures = pictures.Count > PicturesKept ? pictures.RemoveAt(PicturesKept) : pictures,
        };
    }

    /// <summary>Where a client's request stands; null when it has none.</summary>
    public PlaceInLine? PlaceOf(int clientId)
        => Line.FindIndex(request => request.ClientId == clientId) is var index and >= 0
        ? new PlaceInLine(index + 1, Line.Count)
        : null;
}
