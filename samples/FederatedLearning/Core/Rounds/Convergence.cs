namespace FederatedLearning.Rounds;

/// <summary>
/// When a training has converged: the loss did not fall below the best one by the threshold, for so many rounds in a
/// row. Rounds up to MIN_ROUNDS set the best loss but are not held against the training.
/// </summary>
internal sealed class Convergence(FederationSettings settings)
{
    private double _best = double.PositiveInfinity;
    private int _withoutImprovement;

    /// <summary>Takes a round's loss; null, when no client evaluated, says nothing.</summary>
    /// <returns>Whether the training has converged.</returns>
    public bool Add(int round, double? loss)
    {
        if (loss is not { } value) return false;
        if (_best - value > settings.ConvergenceThreshold)
        {
            _best = value;
            _withoutImprovement = 0;
        }
        else if (round > settings.MinRounds)
        {
            _withoutImprovement++;
        }
        return _withoutImprovement >= settings.ConvergencePatience;
    }
}
