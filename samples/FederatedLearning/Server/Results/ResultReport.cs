using FederatedLearning.Server.Web;
using FederatedLearning.Status;

namespace FederatedLearning.Server.Results;

/// <summary>A training's result: loss and accuracy per round.</summary>
internal sealed record ResultReport
{
    /// <summary>How it ended; null while it runs.</summary>
    public required CompletionReason? Completion { get; init; }

    /// <summary>How many rounds were completed.</summary>
    public required int RoundsCompleted { get; init; }

    /// <summary>The accuracy of the last model that was evaluated, on data held out from training.</summary>
    public required double? FinalAccuracy { get; init; }

    /// <summary>Its loss.</summary>
    public required double? FinalLoss { get; init; }

    /// <summary>All rounds.</summary>
    public required IReadOnlyList<RoundReport> Rounds { get; init; }

    /// <summary>What came in and what became of it.</summary>
    public required MessageCounts Counts { get; init; }

    /// <summary>Each protocol, with its traffic.</summary>
    public required IReadOnlyList<HandlerSnapshot> Protocols { get; init; }

    /// <summary>The clients that took part, as last seen.</summary>
    public required IReadOnlyList<ClientSnapshot> Clients { get; init; }

    public static ResultReport Of(FederationSnapshot training) => new()
    {
        Completion = training.Completion,
        RoundsCompleted = training.Rounds.Count,
        FinalAccuracy = training.Rounds.LastOrDefault(round => round.Accuracy is not null)?.Accuracy,
        FinalLoss = training.Rounds.LastOrDefault(round => round.Loss is not null)?.Loss,
        Rounds = [.. training.Rounds.Select(RoundReport.Of)],
        Counts = training.Counts,
        Protocols = training.Handlers,
        Clients = training.Clients,
    };
}
