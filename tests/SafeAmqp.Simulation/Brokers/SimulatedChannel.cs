using SafeAmqp.Simulation.Runs;

namespace SafeAmqp.Simulation.Brokers;

/// <summary>One channel, as both ends see it.</summary>
internal sealed class SimulatedChannel(
    SimulatedConnection connection, long incarnation, bool confirms, int prefetch, long openedAt)
{
    internal SimulatedConnection Connection => connection;
    internal long Incarnation => incarnation;
    internal bool Confirms => confirms;
    internal int Prefetch => prefetch;
    internal long OpenedAt => openedAt;

    // The client's end.
    internal bool ClientOpened { get; set; }
    internal bool ClientClosed { get; set; }
    internal bool ClientKnowsClosed { get; set; }
    internal bool IsBusy { get; set; }
    internal bool AwaitsAnswer { get; set; }
    internal ulong Published { get; set; }

    /// <summary>What was passed on and not answered, as the actor knows, oldest first.</summary>
    internal List<(ulong Sequence, Sending Sending)> Outstanding { get; } = [];

    internal long OutstandingBytes { get; set; }
    internal Dictionary<(bool IsCall, bool Waits), long> LastOrdinals { get; } = [];
    internal string? Declaring { get; set; }

    // What the actor knows.
    internal bool HeardReady { get; set; }
    internal bool HeardClosed { get; set; }
    internal bool HeardBad { get; set; }

    /// <summary>When the last answer came, or the first publish left after all were answered.</summary>
    internal long HeardAt { get; set; }

    /// <summary>Since when a question whether it is still heard is unanswered.</summary>
    internal long? AskedAt { get; set; }

    internal SortedSet<ulong> Unsettled { get; } = [];

    /// <summary>
    /// Whether the actor has a reason to give it up: an answer that cannot be, a failed write, a message that cannot be
    /// encoded.
    /// </summary>
    internal bool IsSuspect { get; set; }

    /// <summary>Whether a storm of nacks is a reason to replace it once everything is answered.</summary>
    internal bool IsInStorm { get; set; }

    // The broker's end.
    internal bool BrokerOpen { get; set; }

    /// <summary>The broker has lost track of it.</summary>
    internal bool IsDeaf { get; set; }
    internal long LastSignal { get; set; }
    internal SortedDictionary<ulong, (Sending Sending, bool? Ack)> Unanswered { get; } = [];
    internal bool FlushIsDue { get; set; }

    /// <summary>
    /// Its view of the queue with a leader names one that is gone: it nacks for as long as it lives (F4).
    /// </summary>
    internal bool NamesDeadLeader { get; set; }

    internal string? Queue { get; set; }
    internal bool Consumes { get; set; }
    internal bool IsCancelled { get; set; }

    /// <summary>The reader of a stream on it, if there is one.</summary>
    internal SimulatedReader? Reader { get; set; }

    /// <summary>The offset of the stream's next message.</summary>
    internal long NextOffset { get; set; }

    internal bool IsReplyChannel { get; set; }
    internal bool IsDirect { get; set; }
    internal ulong LastTag { get; set; }
    internal int InHand { get; set; }
    internal int Settled { get; set; }

    /// <summary>Whether it consumes requests, and replies to them.</summary>
    internal bool Serves => Queue == SimulatedBroker.ServedQueue;

    internal SimulatedServing Serving { get; } = new();

    /// <summary>Whether the actor knows, or did it itself.</summary>
    internal bool IsKnownGone => ClientClosed || HeardClosed || connection.IsAbandoned;

    internal bool IsGone => ClientClosed || !BrokerOpen || connection.IsDead;
}
