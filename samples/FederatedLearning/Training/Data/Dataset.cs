namespace FederatedLearning.Training.Data;

/// <summary>Images with labels, in one block each. Immutable: what makes one gives the arrays away.</summary>
public sealed class Dataset
{
    private readonly float[] _pixels;
    private readonly byte[] _labels;

    /// <summary>Takes over arrays.</summary>
    /// <param name="inputs">Values per image.</param>
    /// <param name="classes">How many labels there are: each is below.</param>
    /// <param name="pixels">All images, one after the other, each value from 0 to 1.</param>
    /// <param name="labels">A label per image.</param>
    /// <exception cref="ArgumentException">Images and labels do not fit each other, or a label is out of
    /// range.</exception>
    public Dataset(int inputs, int classes, float[] pixels, byte[] labels)
    {
        ArgumentNullException.ThrowIfNull(pixels);
        ArgumentNullException.ThrowIfNull(labels);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(inputs);
        if (pixels.Length != (long)inputs * labels.Length)
            throw new ArgumentException($"{labels.Length} labels for {pixels.Length / inputs} images.", nameof(labels));
        if (labels.FirstOrDefault(label => label >= classes) is var wrong && wrong >= classes)
            throw new ArgumentException($"The label {wrong} is not below {classes}.", nameof(labels));
        Inputs = inputs;
        Classes = classes;
        _pixels = pixels;
        _labels = labels;
    }

    /// <summary>Values per image.</summary>
    public int Inputs { get; }

    /// <summary>How many labels there are.</summary>
    public int Classes { get; }

    /// <summary>How many images there are.</summary>
    public int Count => _labels.Length;

    /// <summary>The labels.</summary>
    public ReadOnlySpan<byte> Labels => _labels;

    /// <summary>An image.</summary>
    public ReadOnlySpan<float> Image(int index) => _pixels.AsSpan(index * Inputs, Inputs);

    /// <summary>Some of the images, in the order given.</summary>
    public Dataset Select(IReadOnlyList<int> indices)
    {
        ArgumentNullException.ThrowIfNull(indices);
        float[] pixels = new float[indices.Count * Inputs];
        byte[] labels = new byte[indices.Count];
        for (int i = 0; i < indices.Count; i++)
        {
            Image(indices[i]).CopyTo(pixels.AsSpan(i * Inputs));
            labels[i] = _labels[indices[i]];
        }
        return new Dataset(Inputs, Classes, pixels, labels);
    }
}
