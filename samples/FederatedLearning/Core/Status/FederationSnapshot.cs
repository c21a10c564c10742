namespace FederatedLearning.Status;

/// <summary>The state of a training at one moment: immutable, made by the core after each change.</summary>
public sealed record FederationSnapshot
{
    /// <summary>Grows with each change; see <see cref="IFederationStatus.ChangedAsync"/>.</summary>
    public required long Version { get; init; }

    /// <summary>What happens now.</summary>
    public required FederationPhase Phase { get; init; }

    /// <summary>The running round, from 1; 0 before the first.</summary>
    public required int Round { get; init; }

    /// <summary>The most rounds there will be.</summary>
    public required int MaxRounds { get; init; }

    /// <summary>How many clients start the training.</summary>
    public required int MinClients { get; init; }

    /// <summary>All clients that have registered and not left, by id.</summary>
    public required IReadOnlyList<ClientSnapshot> Clients { get; init; }

    /// <summary>Every completed round, oldest first.</summary>
    public required IReadOnlyList<RoundResult> Rounds { get; init; }

    /// <summary>How many answers the phase still waits for.</summary>
    public required int Awaited { get; init; }

    /// <summary>How many answers the phase has.</summary>
    public required int Received { get; init; }

    /// <summary>When the phase goes on without the clients that have not answered; null outside of a round.</summary>
    public required DateTimeOffset? Deadline { get; init; }

    /// <summary>What came in and what became of it.</summary>
    public required MessageCounts Counts { get; init; }

    /// <summary>Each protocol, with its clients and what waits to be sent.</summary>
    public required IReadOnlyList<HandlerSnapshot> Handlers { get; init; }

    /// <summary>When the training started; null before.</summary>
    public required DateTimeOffset? StartedAt { get; init; }

    /// <summary>How it ended; null before.</summary>
    public required CompletionReason? Completion { get; init; }
}

/// <summary>What the server does now.</summary>
public enum FederationPhase
{
    /// <summary>Not enough clients yet.</summary>
    WaitingForClients,

    /// <summary>Clients train; updates come in.</summary>
    Training,

    /// <summary>Clients evaluate the new global model; metrics come in.</summary>
    Evaluating,

    /// <summary>It is over.</summary>
    Complete,
}

/// <summary>Why a training ended.</summary>
public enum CompletionReason
{
    /// <summary>The loss did not improve any more.</summary>
    Converged,

    /// <summary>Every client reported that its own training makes no progress.</summary>
    ClientsConverged,

    /// <summary>All rounds are done.</summary>
    RoundLimit,

    /// <summary>No client answered for several deadlines in a row. The only end that is a failure.</summary>
    Abandoned,

    /// <summary>The server was stopped.</summary>
    Stopped,
}

/// <summary>One client.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Protocol">The handler over which it registered last.</param>
/// <param name="State">What it is at.</param>
/// <param name="LastRound">The last round that it gave an update to; 0 for none.</param>
/// <param name="Samples">How many samples it trained on, as it said last.</param>
public sealed record ClientSnapshot(string Id, string Protocol, ClientState State, int LastRound, int Samples);

/// <summary>What a client is at, as the server sees it.</summary>
public enum ClientState
{
    /// <summary>Registered; nothing is asked of it.</summary>
    Idle,

    /// <summary>Its update or its metrics are awaited.</summary>
    Working,

    /// <summary>It has answered in this phase.</summary>
    Done,

    /// <summary>It let a deadline pass: not waited for until it is heard of again.</summary>
    Silent,

    /// <summary>What it sent in this phase was refused: not waited for in this phase.</summary>
    Refused,
}

/// <summary>One completed round.</summary>
/// <param name="Round">The round, from 1.</param>
/// <param name="Loss">The mean loss over all evaluated samples; null when no client evaluated.</param>
/// <param name="Accuracy">The fraction of all evaluated samples classified correctly, 0 to 1; null when no client
/// evaluated.</param>
/// <param name="Updates">How many updates the model is made of.</param>
/// <param name="Samples">How many samples these were trained on.</param>
/// <param name="Evaluations">How many clients evaluated it.</param>
/// <param name="Missed">How many clients let a deadline of the round pass.</param>
/// <param name="Duration">From <c>start_training</c> to the end of the evaluation.</param>
public sealed record RoundResult(
    int Round, double? Loss, double? Accuracy, int Updates, long Samples, int Evaluations, int Missed,
    TimeSpan Duration);

/// <summary>What came in since the start.</summary>
/// <param name="Updates">Updates that count.</param>
/// <param name="Metrics">Metrics that count.</param>
/// <param name="Duplicates">Updates and metrics that came a second time.</param>
/// <param name="Stale">Updates and metrics of other rounds, or too late.</param>
/// <param name="Refused">Messages that were wrong.</param>
/// <param name="Registrations">Registrations that were accepted, repeated ones included.</param>
/// <param name="Rejections">Registrations that were not.</param>
/// <param name="Departures">Clients that left.</param>
public sealed record MessageCounts(
    long Updates, long Metrics, long Duplicates, long Stale, long Refused, long Registrations, long Rejections,
    long Departures);

/// <summary>One protocol.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Clients">How many clients registered over it last.</param>
/// <param name="Backlog">How many messages wait to be taken by the handler.</param>
/// <param name="Failure">Why it ended by itself; null while it works.</param>
/// <param name="Traffic">What went over it.</param>
public sealed record HandlerSnapshot(string Name, int Clients, int Backlog, string? Failure, TrafficCounts Traffic);

/// <summary>What went over one protocol since the start.</summary>
/// <param name="MessagesIn">Messages from clients.</param>
/// <param name="BytesIn">The length of their bodies.</param>
/// <param name="MessagesOut">Messages sent; one that goes to several clients in one piece is one message.</param>
/// <param name="BytesOut">The length of their bodies.</param>
/// <param name="Reconnects">How often a connection came back.</param>
public sealed record TrafficCounts(long MessagesIn, long BytesIn, long MessagesOut, long BytesOut, long Reconnects);
