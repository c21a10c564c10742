namespace SafeAmqp.Simulation.Brokers;

/// <summary>One connection of the simulated broker: one epoch.</summary>
internal sealed class SimulatedConnection(int epoch, long begunAt)
{
    internal int Epoch => epoch;

    internal long BegunAt => begunAt;

    /// <summary>The handshake is done.</summary>
    internal bool IsUp { get; set; }

    /// <summary>The client gave it up.</summary>
    internal bool IsAbandoned { get; set; }

    /// <summary>The broker's end is gone.</summary>
    internal bool IsCut { get; set; }

    /// <summary>The client was told of its end, or that it could not be had.</summary>
    internal bool WasReportedLost { get; set; }

    /// <summary>What was on its way when it was cut is still read: it may land late.</summary>
    internal bool LandsLate { get; set; }

    /// <summary>What the broker had answered when it was cut is lost.</summary>
    internal bool AnswersLost { get; set; }

    internal bool IsBlocked { get; set; }

    internal bool IsFrozen { get; set; }

    /// <summary>
    /// It sends heartbeats and what it had to send, and reads nothing any more: seen after a leader was killed.
    /// </summary>
    internal bool IsDeaf { get; set; }

    internal long ThawedAt { get; set; }

    /// <summary>Until when everything takes long.</summary>
    internal long SlowUntil { get; set; }

    /// <summary>The client's process cannot read: bytes have come and lie there.</summary>
    internal bool IsStarved { get; set; }

    internal long StarvedUntil { get; set; }

    // What the actor knows.
    internal bool HeardConnected { get; set; }
    internal bool HeardBlocked { get; set; }
    internal long HeardUnblockedAt { get; set; }

    /// <summary>Since when the actor waits for a channel to open and has heard nothing else on any.</summary>
    internal long? OpenAskedAt { get; set; }
    internal long HeardForbiddenAt { get; set; } = long.MinValue / 2;

    internal long LastHeard { get; set; }

    internal long LastArrival { get; set; }

    /// <summary>What the broker has not read yet, as it is blocked or frozen.</summary>
    internal List<Action> Unread { get; } = [];

    internal List<SimulatedChannel> Channels { get; } = [];

    /// <summary>Exchanges whose existence the client has asked for.</summary>
    internal HashSet<string> Asked { get; } = [];

    /// <summary>What the broker has answered a declaration of, in one way or the other.</summary>
    internal HashSet<string> Declared { get; } = [];

    /// <summary>Channels that were lost or refused while the link stayed up.</summary>
    internal int ChannelsLost { get; set; }

    internal bool IsDead => IsCut || IsAbandoned;
}
