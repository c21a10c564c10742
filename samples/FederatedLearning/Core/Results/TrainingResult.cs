using FederatedLearning.Model;
using FederatedLearning.Status;

namespace FederatedLearning.Results;

/// <summary>What a training has come to.</summary>
/// <param name="Reason">Why it ended.</param>
/// <param name="Model">The last global model.</param>
/// <param name="Config">How to build it.</param>
/// <param name="Rounds">Every completed round.</param>
/// <param name="Counts">What came in.</param>
/// <param name="Duration">From the first round's start.</param>
public sealed record TrainingResult(
    CompletionReason Reason, ModelWeights Model, ModelConfig Config, IReadOnlyList<RoundResult> Rounds,
    MessageCounts Counts, TimeSpan Duration)
{
    /// <summary>Whether it ran to an end of its own: converged, or all rounds done.</summary>
    public bool IsSuccess
        => Reason is CompletionReason.Converged or CompletionReason.ClientsConverged or CompletionReason.RoundLimit;
}
