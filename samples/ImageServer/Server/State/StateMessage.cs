using System.Collections.Immutable;
using ImageServer.Protocol;

namespace ImageServer.Server.State;

/// <summary>What the owner of the state can be asked. Where there is an answer, the message carries its
/// completion.</summary>
internal abstract record StateMessage
{
    private StateMessage()
    {
    }

    /// <summary>A client came. The answer is its id, or null when there are too many.</summary>
    public sealed record Connect(string Address, TaskCompletionSource<int?> Answer) : StateMessage;

    /// <summary>A client left. The answer is how many are left.</summary>
    public sealed record Disconnect(int Id, TaskCompletionSource<int> Answer) : StateMessage;

    /// <summary>A client chose where its pictures come from.</summary>
    public sealed record Choose(int Id, Source Source) : StateMessage;

    /// <summary>A client wants the next picture. The answer is where it comes from, or null when the client has chosen
    /// nothing yet.</summary>
    public sealed record Advance(int Id, TaskCompletionSource<Source?> Answer) : StateMessage;

    /// <summary>A request to the workers begins. The answer is its ticket, or null when the line is full.</summary>
    public sealed record JoinLine(int Id, Source Source, TaskCompletionSource<long?> Answer) : StateMessage;

    /// <summary>A request to the workers has ended.</summary>
    public sealed record LeaveLine(long Ticket) : StateMessage;

    /// <summary>A picture was sent.</summary>
    public sealed record Show(int Id, string Title, GraphicsMode Mode, ReadOnlyMemory<byte> Answer) : StateMessage;

    /// <summary>The folders were looked through.</summary>
    public sealed record FindFiles(ImmutableArray<ImageFile> Files) : StateMessage;

    /// <summary>A file turned out to be no picture.</summary>
    public sealed record DropFile(ImageFile File) : StateMessage;
}
