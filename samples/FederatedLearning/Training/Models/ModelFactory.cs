using FederatedLearning.Model;

namespace FederatedLearning.Training.Models;

/// <summary>Makes models of their configuration.</summary>
public static class ModelFactory
{
    /// <summary>The kinds of models: <c>model_config.kind</c>.</summary>
    public const string Softmax = "softmax", Mlp = "mlp";

    /// <summary>The tensors of a model: <c>layer1.weights</c> [units, inputs], <c>layer1.bias</c> [units], …</summary>
    /// <exception cref="ArgumentException">The configuration is of no model known here.</exception>
    public static IReadOnlyList<TensorShape> LayoutOf(ModelConfig config)
    {
        Check(config);
        return [.. Layer.Of(config).SelectMany((layer, i) => new TensorShape[]
        {
            new($"layer{i + 1}.weights", [layer.Units, layer.Inputs]),
            new($"layer{i + 1}.bias", [layer.Units]),
        })];
    }

    /// <summary>
    /// The untrained model: small random weights (He et al. 2015), biases zero. The same seed makes the same.
    /// </summary>
    /// <exception cref="ArgumentException">The configuration is of no model known here.</exception>
    public static ModelWeights Create(ModelConfig config)
    {
        var layout = LayoutOf(config);
        float[] values = new float[layout.Sum(tensor => tensor.Count)];
        var random = SeededRandom.For(config.Seed, 3);
        foreach (var layer in Layer.Of(config))
        {
            double deviation = Math.Sqrt(2.0 / layer.Inputs);
            foreach (ref float weight in values.AsSpan(layer.Offset, layer.Inputs * layer.Units))
                weight = (float)(deviation * random.NextGaussian());
        }
        return new ModelWeights(layout, values);
    }

    internal static void Check(ModelConfig config)
    {
        ArgumentNullException.ThrowIfNull(config);
        bool isKnown = config.Kind == Softmax ? config.Hidden.Count == 0
            : config.Kind == Mlp && config.Hidden.Count > 0;
        if (!isKnown)
            throw new ArgumentException(
                $"A model '{config.Kind}' with {config.Hidden.Count} hidden layers is not known here.", nameof(config));
        if (config.Inputs < 1 || config.Classes < 2 || config.Hidden.Any(units => units < 1))
            throw new ArgumentException(
                "A model has at least one input, two classes, and a unit in each layer.", nameof(config));
    }
}
