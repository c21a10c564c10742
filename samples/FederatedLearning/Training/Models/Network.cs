using System.Numerics.Tensors;
using FederatedLearning.Model;

namespace FederatedLearning.Training.Models;

/// <summary>
/// A feed-forward network: dense layers with ReLU between them, softmax with cross-entropy at the end. Without hidden
/// layers it is the softmax regression. It reads and changes parameters that lie in one block, tensor after tensor, as
/// they travel.
/// </summary>
internal sealed class Network
{
    private readonly Layer[] _layers;
    private readonly float[][] _outputs, _deltas;

    public Network(ModelConfig config)
    {
        _layers = [.. Layer.Of(config)];
        _outputs = [.. _layers.Select(layer => new float[layer.Units])];
        _deltas = [.. _layers.Select(layer => new float[layer.Units])];
        ParameterCount = _layers[^1].End;
    }

    /// <summary>How many parameters there are.</summary>
    public int ParameterCount { get; }

    /// <summary>The loss of one sample, and whether the model's first choice is right.</summary>
    public (float Loss, bool IsRight) Evaluate(ReadOnlySpan<float> parameters, ReadOnlySpan<float> input, byte label)
    {
        var probabilities = Forward(parameters, input);
        return (LossOf(probabilities[label]), TensorPrimitives.IndexOfMax(probabilities) == label);
    }

    /// <summary>Adds the gradient of one sample's loss.</summary>
    /// <returns>The loss before, and whether the model's first choice was right.</returns>
    public (float Loss, bool IsRight) AddGradient(
        ReadOnlySpan<float> parameters, ReadOnlySpan<float> input, byte label, Span<float> gradient)
    {
        var result = Evaluate(parameters, input, label);
        var delta = _deltas[^1].AsSpan();
        _outputs[^1].CopyTo(delta);
        delta[label] -= 1;
        for (int i = _layers.Length - 1; i >= 0; i--)
        {
            var layer = _layers[i];
            var below = i == 0 ? input : _outputs[i - 1];
            layer.AddGradient(below, _deltas[i], gradient);
            if (i > 0) layer.Back(parameters, _deltas[i], _outputs[i - 1], _deltas[i - 1]);
        }
        return result;
    }

    private ReadOnlySpan<float> Forward(ReadOnlySpan<float> parameters, ReadOnlySpan<float> input)
    {
        for (int i = 0; i < _layers.Length; i++)
        {
            var output = _outputs[i].AsSpan();
            _layers[i].Forward(parameters, i == 0 ? input : _outputs[i - 1], output);
            if (i < _layers.Length - 1) TensorPrimitives.Max(output, 0f, output);
            else SoftMax(output);
        }
        return _outputs[^1];
    }

    // Shifted by the largest, so that no exponential overflows.
    private static void SoftMax(Span<float> values)
    {
        TensorPrimitives.Subtract(values, TensorPrimitives.Max<float>(values), values);
        TensorPrimitives.SoftMax<float>(values, values);
    }

    // A probability that has become zero would be an infinite loss, which JSON cannot say.
    private static float LossOf(float probability) => -MathF.Log(Math.Max(probability, 1e-30f));
}
