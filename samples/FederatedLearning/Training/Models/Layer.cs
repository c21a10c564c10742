using System.Numerics.Tensors;
using FederatedLearning.Model;

namespace FederatedLearning.Training.Models;

/// <summary>
/// A dense layer: where its parameters lie in the block, a row of weights per unit and then the biases, and what it
/// does with them.
/// </summary>
internal sealed record Layer(int Inputs, int Units, int Offset)
{
    /// <summary>Where the next layer's parameters begin.</summary>
    public int End => checked(BiasOffset + Units);

    private int BiasOffset => checked(Offset + Inputs * Units);

    /// <summary>A model's layers, from below.</summary>
    public static IEnumerable<Layer> Of(ModelConfig config)
    {
        int inputs = config.Inputs;
        int offset = 0;
        foreach (int units in config.Hidden.Append(config.Classes))
        {
            var layer = new Layer(inputs, units, offset);
            yield return layer;
            inputs = units;
            offset = layer.End;
        }
    }

    public void Forward(ReadOnlySpan<float> parameters, ReadOnlySpan<float> input, Span<float> output)
    {
        for (int unit = 0; unit < Units; unit++)
            output[unit] = TensorPrimitives.Dot(Row(parameters, unit), input) + parameters[BiasOffset + unit];
    }

    public void AddGradient(ReadOnlySpan<float> input, ReadOnlySpan<float> delta, Span<float> gradient)
    {
        for (int unit = 0; unit < Units; unit++)
        {
            if (delta[unit] == 0) continue; // about half of the units after a ReLU
            var row = gradient.Slice(Offset + unit * Inputs, Inputs);
            TensorPrimitives.MultiplyAdd(input, delta[unit], row, row);
        }
        var biases = gradient.Slice(BiasOffset, Units);
        TensorPrimitives.Add(biases, delta, biases);
    }

    /// <summary>The delta of the layer below, whose outputs went through a ReLU.</summary>
    public void Back(
        ReadOnlySpan<float> parameters, ReadOnlySpan<float> delta, ReadOnlySpan<float> below, Span<float> deltaBelow)
    {
        deltaBelow.Clear();
        for (int unit = 0; unit < Units; unit++)
        {
            if (delta[unit] != 0)
                TensorPrimitives.MultiplyAdd(Row(parameters, unit), delta[unit], deltaBelow, deltaBelow);
        }
        for (int i = 0; i < below.Length; i++)
        {
            if (below[i] <= 0) deltaBelow[i] = 0;
        }
    }

    private ReadOnlySpan<float> Row(ReadOnlySpan<float> parameters, int unit)
        => parameters.Slice(Offset + unit * Inputs, Inputs);
}
