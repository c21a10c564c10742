namespace SafeAmqp.Tests.Simulation;

/// <summary>One connection of the simulated broker: one epoch.</summary>
internal sealed class SimulatedConnection(int epoch)
{
    internal int Epoch => epoch;

    /// <summary>The handshake is done.</summary>
    internal bool IsUp { get; set; }

    /// <summary>The client gave it up.</summary>
    internal bool IsAbandoned { get; set; }

    /// <summary>The broker's end is gone.</summary>
    internal bool IsCut { get; set; }

    /// <summary>What was on its way when it was cut is still read: it may land late.</summary>
    internal bool LandsLate { get; set; }

    /// <summary>What the broker had answered when it was cut is lost.</summary>
    internal bool AnswersLost { get; set; }

    internal bool IsBlocked { get; set; }

    internal bool IsFrozen { get; set; }

    internal long LastHeard { get; set; }

    internal long LastArrival { get; set; }

    /// <summary>What the broker has not read yet, as it is blocked or frozen.</summary>
    internal List<Action> Unread { get; } = [];

    internal List<SimulatedChannel> Channels { get; } = [];

    internal bool IsDead => IsCut || IsAbandoned;
}

/// <summary>One channel, as both ends see it.</summary>
internal sealed class SimulatedChannel(SimulatedConnection connection, long incarnation, bool confirms, int prefetch)
{
    internal SimulatedConnection Connection => connection;
    internal long Incarnation => incarnation;
    internal bool Confirms => confirms;
    internal int Prefetch => prefetch;

    // The client's end.
    internal bool ClientOpened { get; set; }
    internal bool ClientClosed { get; set; }
    internal bool ClientKnowsClosed { get; set; }
    internal bool IsBusy { get; set; }
    internal bool AwaitsAnswer { get; set; }
    internal ulong Published { get; set; }
    internal SortedSet<ulong> Unsettled { get; } = [];

    // The broker's end.
    internal bool BrokerOpen { get; set; }
    internal long LastSignal { get; set; }
    internal SortedDictionary<ulong, (Attempt Attempt, bool? Ack)> Unanswered { get; } = [];
    internal bool FlushIsDue { get; set; }
    internal string? Queue { get; set; }
    internal bool Consumes { get; set; }
    internal bool IsReplyChannel { get; set; }
    internal ulong LastTag { get; set; }
    internal int InHand { get; set; }

    internal bool IsGone => ClientClosed || !BrokerOpen || connection.IsDead;
}
