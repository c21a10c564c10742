using System.Collections.Concurrent;
using FederatedLearning.Client;
using FederatedLearning.Messages;
using FederatedLearning.Model;

namespace FederatedLearning.TestSupport;

/// <summary>
/// Learns nothing, but adds a step of its own to every value, so that the model of each round tells exactly of whose
/// updates it is made, and whether one was counted twice.
/// </summary>
internal sealed class SteppingLearner(int samples, float step) : ILearner
{
    /// <summary>Awaited in the middle of each training.</summary>
    public Func<int, CancellationToken, Task> InTheMiddle { get; init; } = (_, _) => Task.CompletedTask;

    public int TrainingSamples => samples;

    public int EvaluationSamples => samples;

    public float Step => step;

    /// <summary>The first value of the global model that each round began with.</summary>
    public ConcurrentDictionary<int, float> Began { get; } = new();

    public (ModelWeights Weights, ReportedMetrics Metrics) Train(
        ModelWeights global, ModelConfig model, TrainingConfig how, int round, CancellationToken cancellationToken)
    {
        Began[round] = global.Values[0];
        InTheMiddle(round, cancellationToken).GetAwaiter().GetResult();
        float[] values = global.Values.ToArray();
        foreach (ref float value in values.AsSpan())
            value += step;
        return (new ModelWeights(global.Layout, values), new ReportedMetrics(1, 0.5));
    }

    // The loss falls for ever: the training ends by its number of rounds.
    public ReportedMetrics Evaluate(ModelWeights global, ModelConfig model, CancellationToken cancellationToken)
        => new(1 / (1.0 + Math.Abs(global.Values[0])), 0.5);
}
