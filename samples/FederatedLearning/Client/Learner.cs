using FederatedLearning.Messages;
using FederatedLearning.Model;
using FederatedLearning.Training;
using FederatedLearning.Training.Data;

namespace FederatedLearning.Client;

/// <summary>Learns on the client's share of the data, with whatever model the server describes.</summary>
internal sealed class Learner(LearningData share, int number) : ILearner
{
    private (ModelConfig Config, LocalTrainer Trainer)? _current;

    public int TrainingSamples => share.Train.Count;

    public int EvaluationSamples => share.Test.Count;

    public (ModelWeights Weights, ReportedMetrics Metrics) Train(
        ModelWeights global, ModelConfig model, TrainingConfig how, int round, CancellationToken cancellationToken)
        => TrainerFor(model).Train(global, how, round, cancellationToken);

    public ReportedMetrics Evaluate(ModelWeights global, ModelConfig model, CancellationToken cancellationToken)
        => TrainerFor(model).Evaluate(global, cancellationToken);

    // Made when the server has said what is learned; the client runs one order at a time.
    private LocalTrainer TrainerFor(ModelConfig model)
    {
        if (_current is not { } current || current.Config != model)
            _current = current = (model, new LocalTrainer(model, share.Train, share.Test, number));
        return current.Trainer;
    }
}
