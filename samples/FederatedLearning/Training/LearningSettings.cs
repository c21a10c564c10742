using System.Globalization;
using FederatedLearning.Model;
using FederatedLearning.Training.Data;
using FederatedLearning.Training.Models;
using SampleSettings;

namespace FederatedLearning.Training;

/// <summary>
/// Model and data. Names in capitals are those of the environment (or any other source of configuration). Server and
/// clients may differ in data, not in model: the server's is sent to the clients.
/// </summary>
public sealed record LearningSettings
{
    /// <summary><c>softmax</c> or <c>mlp</c>: <c>MODEL</c>.</summary>
    /// <value>mlp</value>
    public string Model { get; init; } = ModelFactory.Mlp;

    /// <summary>Units of each hidden layer of the mlp, with commas between: <c>HIDDEN_UNITS</c>.</summary>
    /// <value>64</value>
    public IReadOnlyList<int> Hidden { get; init; } = [64];

    /// <summary>The step size: <c>LEARNING_RATE</c>.</summary>
    /// <value>0.1</value>
    public double LearningRate { get; init; } = 0.1;

    /// <summary>The factor on the step size after each round: <c>LEARNING_RATE_DECAY</c>.</summary>
    /// <value>1</value>
    public double LearningRateDecay { get; init; } = 1;

    /// <summary>The seed of all that is random: <c>SEED</c>. One for the whole training.</summary>
    /// <value>1</value>
    public int Seed { get; init; } = 1;

    /// <summary>
    /// IDX files of MNIST's format: <c>TRAIN_IMAGES</c>, <c>TRAIN_LABELS</c>, <c>TEST_IMAGES</c>, <c>TEST_LABELS</c>;
    /// all four, or none for drawn digits.
    /// </summary>
    /// <value>none</value>
    public IdxFiles? Files { get; init; }

    /// <summary>How many digits are drawn to train on, over all clients: <c>TRAIN_SAMPLES</c>.</summary>
    /// <value>5000</value>
    public int TrainSamples { get; init; } = 5000;

    /// <summary>How many digits are drawn to test on, over all clients: <c>TEST_SAMPLES</c>.</summary>
    /// <value>1000</value>
    public int TestSamples { get; init; } = 1000;

    /// <summary>Over how many clients the data are split: <c>DATA_SHARES</c>.</summary>
    /// <value>5</value>
    public int Shares { get; init; } = 5;

    /// <summary>
    /// Below infinity the training data are skewed by label, the more the smaller: <c>DIRICHLET_ALPHA</c>. Not set:
    /// evenly.
    /// </summary>
    /// <value>not set</value>
    public double? DirichletAlpha { get; init; }

    /// <summary>What the server tells its clients about the model.</summary>
    /// <param name="inputs">Values per image.</param>
    /// <param name="classes">Classes.</param>
    public ModelConfig ToModelConfig(int inputs = DrawnDigits.Side * DrawnDigits.Side, int classes = 10)
    {
        var config = new ModelConfig(Model, inputs, Model == ModelFactory.Softmax
            ? []
            : Hidden, classes, LearningRate, Seed)
        {
            LearningRateDecay = LearningRateDecay,
        };
        ModelFactory.Check(config);
        return config;
    }

    /// <summary>Reads the settings.</summary>
    /// <param name="setting">The value of a name, null or empty where it is not set.</param>
    /// <exception cref="InvalidOperationException">A value is not valid; the message names the setting.</exception>
    public static LearningSettings From(Func<string, string?> setting)
    {
        ArgumentNullException.ThrowIfNull(setting);
        var read = new SettingReader(setting);
        var defaults = new LearningSettings();
        double alpha = read.Number("DIRICHLET_ALPHA", 0, 0, 1e6);
        return new LearningSettings
        {
            Model = read.Text("MODEL")?.ToLowerInvariant() switch
            {
                null => defaults.Model,
                ModelFactory.Softmax => ModelFactory.Softmax,
                ModelFactory.Mlp => ModelFactory.Mlp,
                _ =>
                    throw new InvalidOperationException($"MODEL must be {ModelFactory.Softmax} or {ModelFactory.Mlp}."),
            },
            Hidden = read.Text("HIDDEN_UNITS") is { } layers ? [.. layers.Split(',').Select(Units)] : defaults.Hidden,
            LearningRate = read.Number("LEARNING_RATE", defaults.LearningRate, 1e-9, 1e3),
            LearningRateDecay = read.Number("LEARNING_RATE_DECAY", defaults.LearningRateDecay, 1e-3, 1),
            Seed = read.Whole("SEED", defaults.Seed, int.MinValue, int.MaxValue),
            Files = FilesOf(
                read.Text("TRAIN_IMAGES"), read.Text("TRAIN_LABELS"),
                read.Text("TEST_IMAGES"), read.Text("TEST_LABELS")),
            TrainSamples = read.Whole("TRAIN_SAMPLES", defaults.TrainSamples, 1, 1_000_000),
            TestSamples = read.Whole("TEST_SAMPLES", defaults.TestSamples, 1, 1_000_000),
            Shares = read.Whole("DATA_SHARES", defaults.Shares, 1, 100_000),
            DirichletAlpha = alpha > 0 ? alpha : null,
        };

        static int Units(string text)
            => int.TryParse(text.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out int units)
                && units is > 0 and <= 1_000_000
                ? units
                : throw new InvalidOperationException("HIDDEN_UNITS must be whole numbers from 1 to 1000000.");
    }

    private static IdxFiles? FilesOf(string? trainImages, string? trainLabels, string? testImages, string? testLabels)
        => (trainImages, trainLabels, testImages, testLabels) switch
        {
            (null, null, null, null) => null,
            ({ }, { }, { }, { }) => new IdxFiles(trainImages, trainLabels, testImages, testLabels),
            _ => throw new InvalidOperationException(
                "TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES and TEST_LABELS go together: all four, or none."),
        };
}

/// <summary>Four files of MNIST's format.</summary>
/// <param name="TrainImages">Images to train on.</param>
/// <param name="TrainLabels">Their labels.</param>
/// <param name="TestImages">Images to test on.</param>
/// <param name="TestLabels">Their labels.</param>
public sealed record IdxFiles(string TrainImages, string TrainLabels, string TestImages, string TestLabels);
