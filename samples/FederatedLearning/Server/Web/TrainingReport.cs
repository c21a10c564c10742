using FederatedLearning.Status;
using SafeAmqp;

namespace FederatedLearning.Server.Web;

/// <summary>The whole state of the server, for the page.</summary>
internal sealed record TrainingReport
{
    public required FederationPhase Phase { get; init; }
    public required int Round { get; init; }
    public required int MaxRounds { get; init; }
    public required int MinClients { get; init; }
    public required int Awaited { get; init; }
    public required int Received { get; init; }
    public required double? ElapsedSeconds { get; init; }
    public required CompletionReason? Completion { get; init; }
    public required IReadOnlyList<ClientSnapshot> Clients { get; init; }
    public required IReadOnlyList<RoundReport> Rounds { get; init; }
    public required MessageCounts Counts { get; init; }
    public required IReadOnlyList<HandlerSnapshot> Handlers { get; init; }
    public required IReadOnlyList<LinkReport> Links { get; init; }

    public static TrainingReport Of(FederationSnapshot training, AmqpClientStatus? amqp, TimeSpan? elapsed) => new()
    {
        Phase = training.Phase,
        Round = training.Round,
        MaxRounds = training.MaxRounds,
        MinClients = training.MinClients,
        Awaited = training.Awaited,
        Received = training.Received,
        ElapsedSeconds = elapsed?.TotalSeconds,
        Completion = training.Completion,
        Clients = training.Clients,
        Rounds = [.. training.Rounds.Select(RoundReport.Of)],
        Counts = training.Counts,
        Handlers = training.Handlers,
        Links = [.. (amqp?.Links ?? []).Select(LinkReport.Of)],
    };
}

/// <summary>One completed round.</summary>
internal sealed record RoundReport(
    int Round, double? Loss, double? Accuracy, int Updates, long Samples, int Evaluations, int Missed, double Seconds)
{
    public static RoundReport Of(RoundResult round) => new(
        round.Round, round.Loss, round.Accuracy, round.Updates, round.Samples, round.Evaluations, round.Missed,
        round.Duration.TotalSeconds);
}

/// <summary>One connection to the broker.</summary>
internal sealed record LinkReport
{
    public required string Name { get; init; }
    public required string State { get; init; }
    public required double InStateSeconds { get; init; }
    public required int Epoch { get; init; }
    public string? Host { get; init; }
    public string? LastError { get; init; }
    public double? NextAttemptInSeconds { get; init; }
    public string? BlockedReason { get; init; }
    public required int Queued { get; init; }
    public required int Unconfirmed { get; init; }
    public required int Consumers { get; init; }
    public required int LiveConsumers { get; init; }

    public static LinkReport Of(AmqpLinkStatus link) => new()
    {
        Name = link.Name,
        State = link.State.ToString().ToLowerInvariant(),
        InStateSeconds = link.InState.TotalSeconds,
        Epoch = link.Epoch,
        Host = link.Host,
        LastError = link.LastError,
        NextAttemptInSeconds = link.NextAttemptIn?.TotalSeconds,
        BlockedReason = link.BlockedReason,
        Queued = link.QueuedMessages,
        Unconfirmed = link.UnconfirmedMessages,
        Consumers = link.Consumers.Count,
        LiveConsumers = link.Consumers.Count(consumer => consumer.State == AmqpConsumerState.Live),
    };
}
