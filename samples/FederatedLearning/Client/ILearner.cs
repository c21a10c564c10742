using FederatedLearning.Messages;
using FederatedLearning.Model;

namespace FederatedLearning.Client;

/// <summary>What a client learns with: its own data, which no other client sees.</summary>
internal interface ILearner
{
    /// <summary>How many samples it trains on.</summary>
    int TrainingSamples { get; }

    /// <summary>How many samples, held out from training, it evaluates on.</summary>
    int EvaluationSamples { get; }

    /// <summary>Trains the global model on the client's data.</summary>
    (ModelWeights Weights, ReportedMetrics Metrics) Train(
        ModelWeights global, ModelConfig model, TrainingConfig how, int round, CancellationToken cancellationToken);

    /// <summary>Measures the global model on the client's held-out data.</summary>
    ReportedMetrics Evaluate(ModelWeights global, ModelConfig model, CancellationToken cancellationToken);
}
