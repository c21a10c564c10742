namespace FederatedLearning.Model;

/// <summary>One tensor's name and shape.</summary>
/// <param name="Name">For people and for checking, for example <c>dense1.weights</c>.</param>
/// <param name="Shape">The dimensions, row-major, each at least 1; none for a scalar.</param>
public sealed record TensorShape(string Name, IReadOnlyList<int> Shape)
{
    /// <summary>How many values it has.</summary>
    public long Count => Shape.Aggregate(1L, (count, dimension) => checked(count * dimension));

    /// <summary>Same name, same dimensions.</summary>
    public bool Equals(TensorShape? other)
        => other is not null && Name == other.Name && Shape.SequenceEqual(other.Shape);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Name, Shape.Count, Count);

    /// <summary>For example <c>dense1.weights[784,64]</c>.</summary>
    public override string ToString() => $"{Name}[{string.Join(',', Shape)}]";
}

/// <summary>
/// A model's parameters: all tensors' float32 values in one block, one tensor after the other, so that encoding,
/// decoding and averaging each go over the block once and copy nothing. Immutable: what makes one gives the array
/// away.
/// </summary>
public sealed class ModelWeights
{
    private readonly float[] _values;

    /// <summary>Takes over an array.</summary>
    /// <param name="layout">The tensors, in order.</param>
    /// <param name="values">All their values; not to be changed afterwards.</param>
    /// <exception cref="ArgumentException">The number of values is not that of the layout.</exception>
    public ModelWeights(IReadOnlyList<TensorShape> layout, float[] values)
    {
        ArgumentNullException.ThrowIfNull(layout);
        ArgumentNullException.ThrowIfNull(values);
        long expected = layout.Sum(tensor => tensor.Count);
        if (expected != values.Length)
            throw new ArgumentException(
                $"The layout has {expected} values, the array {values.Length}.", nameof(values));
        Layout = layout;
        _values = values;
    }

    /// <summary>The tensors, in order.</summary>
    public IReadOnlyList<TensorShape> Layout { get; }

    /// <summary>All values.</summary>
    public ReadOnlySpan<float> Values => _values;

    /// <summary>The values of one tensor.</summary>
    public ReadOnlySpan<float> this[int tensor]
    {
        get
        {
            long offset = Layout.Take(tensor).Sum(before => before.Count);
            return _values.AsSpan((int)offset, (int)Layout[tensor].Count);
        }
    }

    /// <summary>Whether both have the same tensors: names, shapes, order.</summary>
    public bool HasLayoutOf(ModelWeights other)
        => ReferenceEquals(Layout, other.Layout) || Layout.SequenceEqual(other.Layout);

    /// <summary>The tensors in words.</summary>
    public override string ToString() => $"{_values.Length} values in {string.Join(' ', Layout)}";
}
