using System.Numerics.Tensors;
using FederatedLearning.Messages;
using FederatedLearning.Model;
using FederatedLearning.Training.Data;
using FederatedLearning.Training.Models;

namespace FederatedLearning.Training;

/// <summary>
/// What a client does in a round: mini-batch SGD on its own data, and evaluation. For one thread at a time. The same
/// model, data, seed, client and round give the same result bit by bit on the same kind of machine.
/// </summary>
public sealed class LocalTrainer
{
    private readonly ModelConfig _config;
    private readonly Dataset _train;
    private readonly Dataset _test;
    private readonly int _client;
    private readonly Network _network;
    private readonly float[] _gradient;
    private readonly IReadOnlyList<TensorShape> _layout;

    /// <summary>Makes a trainer for a model.</summary>
    /// <param name="config">The model, as the server said.</param>
    /// <param name="train">The client's data.</param>
    /// <param name="test">What it evaluates on: never trained on.</param>
    /// <param name="client">Tells the clients' orders of samples apart: the client's number.</param>
    /// <exception cref="ArgumentException">The configuration is of no model known here, or the data do not fit
    /// it.</exception>
    public LocalTrainer(ModelConfig config, Dataset train, Dataset test, int client)
    {
        ArgumentNullException.ThrowIfNull(train);
        ArgumentNullException.ThrowIfNull(test);
        _layout = ModelFactory.LayoutOf(config);
        if (new[] { train, test }.Any(data => data.Inputs != config.Inputs || data.Classes > config.Classes))
            throw new ArgumentException($"The model takes {config.Inputs} values and knows {config.Classes} "
                + $"classes; the data have {train.Inputs} and {train.Classes}.", nameof(config));
        _config = config;
        _train = train;
        _test = test;
        _client = client;
        _network = new Network(config);
        _gradient = new float[_network.ParameterCount];
    }

    /// <summary>How many samples the client trains on.</summary>
    public int TrainSamples => _train.Count;

    /// <summary>How many samples the client evaluates on.</summary>
    public int TestSamples => _test.Count;

    /// <summary>Trains on the client's data, beginning with the global model.</summary>
    /// <param name="global">The global model.</param>
    /// <param name="training">Batch size and epochs.</param>
    /// <param name="round">The round: it decides over the order of the samples, and the step size.</param>
    /// <param name="cancellationToken">Looked at after each batch.</param>
    /// <returns>The client's model, and the mean loss and accuracy of the last epoch, measured before each
    /// step.</returns>
    /// <exception cref="ArgumentException">The model is not of the configuration.</exception>
    public (ModelWeights Weights, ReportedMetrics Metrics) Train(
        ModelWeights global, TrainingConfig training, int round, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(training);
        Check(global);
        float[] parameters = global.Values.ToArray();
        float rate = (float)_config.LearningRateIn(round);
        int[] order = Enumerable.Range(0, _train.Count).ToArray();
        var random = SeededRandom.For(_config.Seed, _client, round);
        var metrics = default(ReportedMetrics);
        for (int epoch = 0; epoch < training.LocalEpochs; epoch++)
        {
            random.Shuffle(order.AsSpan());
            double loss = 0;
            int right = 0;
            for (int from = 0; from < order.Length; from += training.BatchSize)
            {
                cancellationToken.ThrowIfCancellationRequested();
                var batch = order.AsSpan(from, Math.Min(training.BatchSize, order.Length - from));
                var (batchLoss, batchRight) = Step(parameters, batch, rate);
                loss += batchLoss;
                right += batchRight;
            }
            metrics = new ReportedMetrics(loss / order.Length, (double)right / order.Length);
        }
        return (new ModelWeights(_layout, parameters), metrics);
    }

    /// <summary>Evaluates a model on the client's held-out data.</summary>
    /// <exception cref="ArgumentException">The model is not of the configuration.</exception>
    public ReportedMetrics Evaluate(ModelWeights model, CancellationToken cancellationToken = default)
    {
        Check(model);
        double loss = 0;
        int right = 0;
        for (int i = 0; i < _test.Count; i++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var (sampleLoss, isRight) = _network.Evaluate(model.Values, _test.Image(i), _test.Labels[i]);
            loss += sampleLoss;
            if (isRight) right++;
        }
        return new ReportedMetrics(loss / _test.Count, (double)right / _test.Count);
    }

    // One step of gradient descent on the mean loss of a batch.
    private (double Loss, int Right) Step(Span<float> parameters, ReadOnlySpan<int> batch, float rate)
    {
        var gradient = _gradient.AsSpan();
        gradient.Clear();
        double loss = 0;
        int right = 0;
        foreach (int sample in batch)
        {
            var (sampleLoss, isRight) = _network.AddGradient(
                parameters, _train.Image(sample), _train.Labels[sample], gradient);
            loss += sampleLoss;
            if (isRight) right++;
        }
        TensorPrimitives.MultiplyAdd(gradient, -rate / batch.Length, parameters, parameters);
        return (loss, right);
    }

    private void Check(ModelWeights model)
    {
        ArgumentNullException.ThrowIfNull(model);
        if (!ReferenceEquals(model.Layout, _layout) && !model.Layout.SequenceEqual(_layout))
            throw new ArgumentException($"The model is {model}, not {string.Join(' ', _layout)}.", nameof(model));
    }
}
