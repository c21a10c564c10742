namespace SafeAmqp.Simulation.Runs;

/// <summary>What a seed may switch on: faults, and the less usual ways of using the client.</summary>
internal enum Fault
{
    // Of the link.
    Cuts,
    ConnectionCloses,
    Freezes,
    Stalls,
    Blocks,
    Restarts,
    ConnectFailures,
    Refusals,
    Starvation,

    // Of channels.
    OpenFailures,
    ChannelErrors,
    Silences,
    Busy,
    BadAnswers,
    DoubleAnswers,

    // Of queues and exchanges.
    Nacks,
    LeaderLosses,
    Returns,
    SilentQueues,
    BadExchanges,
    ExchangeLosses,
    ConsumerCancels,

    // Of replies.
    LostReplies,
    ForeignReplies,

    // Of the client's callers.
    Cancels,
    Unencodables,
    Calls,
    Posts,
    SameIds,
    Disposal,

    // Of links and channels again: behind the others, so that seeds keep their meaning.
    Deafness,
    Impossibles,

    // Of servers.
    Serving,
    BadReplies,

    // Of stream readers.
    Streams,
}
