namespace FederatedLearning.Model;

/// <summary>
/// <c>model_config</c>: all that a client needs to build the model. The core does not look inside.
/// </summary>
/// <param name="Kind"><c>softmax</c> or <c>mlp</c> (<c>kind</c>).</param>
/// <param name="Inputs">Values per sample (<c>inputs</c>).</param>
/// <param name="Hidden">Units of each hidden layer, none for softmax (<c>hidden</c>).</param>
/// <param name="Classes">Classes (<c>classes</c>).</param>
/// <param name="LearningRate">The step size of SGD (<c>learning_rate</c>).</param>
/// <param name="Seed">From which clients derive their shuffling, so that a training can be repeated
/// (<c>seed</c>).</param>
public sealed record ModelConfig(
    string Kind, int Inputs, IReadOnlyList<int> Hidden, int Classes, double LearningRate, int Seed)
{
    /// <summary>
    /// The factor that <see cref="LearningRate"/> is multiplied by after each round (<c>learning_rate_decay</c>).
    /// </summary>
    public double LearningRateDecay { get; init; } = 1;

    /// <summary>The step size in a round, from 1.</summary>
    public double LearningRateIn(int round) => LearningRate * Math.Pow(LearningRateDecay, Math.Max(0, round - 1));
}
