namespace SafeAmqp.Simulation.Checking;

internal enum End
{
    Pending,
    Confirmed,
    Posted,
    Replied,
    RemoteFault,
    Cancelled,
    Disposed,
    Returned,
    Nacked,
    Refused,
    NotSent,
    Unknown,
    NoReplyToConfirmed,
    NoReplyToUnknown,
}

internal enum Kind
{
    Publish,
    Post,

    /// <summary>A call whose replies come over the link that is lost with it.</summary>
    Call,

    /// <summary>A call whose replies come to a fixed queue.</summary>
    CallToFixedQueue,
}

/// <summary>
/// One message that a caller sent: what its caller was told, and what the broker knows of it. Pure data.
/// </summary>
internal sealed class Attempt
{
    internal required int Id { get; init; }
    internal required int Publisher { get; init; }
    internal required long Deadline { get; init; }
    internal string Exchange { get; init; } = "";
    internal bool IsMandatory { get; set; } = true;
    internal bool IsUnencodable { get; init; }

    /// <summary>Whether the broker ends the connection over it.</summary>
    internal bool IsImpossible { get; init; }

    /// <summary>How many connections it ended.</summary>
    internal int LinksEnded { get; set; }

    /// <summary>Whether it was in flight when the broker ended a connection or channel over something.</summary>
    internal bool IsSuspect { get; set; }

    /// <summary>Whether it was a suspect and alone in flight when that happened again.</summary>
    internal bool IsBlamed { get; set; }
    internal Kind Kind { get; set; }

    /// <summary>Whether its correlation id was used elsewhere: by another call, or by a peer that guessed it.</summary>
    internal bool HasGuessableId { get; set; }

    /// <summary>Whether its token fired.</summary>
    internal bool IsCancelled { get; set; }

    /// <summary>Its place among all that were accepted; 0 while its caller waits for credit.</summary>
    internal long Accepted { get; set; }

    // What the caller was told.
    internal End End { get; set; }
    internal long EndedAt { get; set; }
    internal int Ends { get; set; }

    /// <summary>Of the reply, whose request it answers.</summary>
    internal int ReplyOf { get; set; } = -1;

    // What went out.

    /// <summary>The channels that it was passed on over.</summary>
    internal List<long> Passes { get; } = [];

    /// <summary>Whether one of those, or of the reply's way back, was gone before the end.</summary>
    internal bool LostItsChannel { get; set; }

    // What the broker did with it.
    internal int Stored { get; set; }

    /// <summary>
    /// Where the copy that was passed on last stands among all that the broker stored; 0 when it was not stored.
    /// </summary>
    internal long StoredAt { get; set; }

    internal int Acks { get; set; }
    internal int Nacks { get; set; }
    internal int Returns { get; set; }
    internal bool WasRefused { get; set; }
    internal int Replies { get; set; }

    internal bool IsCall => Kind is Kind.Call or Kind.CallToFixedQueue;
}
