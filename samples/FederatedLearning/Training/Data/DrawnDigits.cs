namespace FederatedLearning.Training.Data;

/// <summary>
/// Digits that are drawn, not downloaded: strokes, turned, sheared, scaled, shifted, of varying thickness, with noise.
/// 28 by 28, like MNIST.
/// </summary>
public static class DrawnDigits
{
    /// <summary>Pixels per side.</summary>
    public const int Side = 28;

    private const double MaxTurn = Math.PI / 12, MaxShear = 0.15, MaxShift = 2, Noise = 0.12;

    /// <summary>Draws digits, each label equally often. The same seed draws the same.</summary>
    /// <param name="count">How many.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="stream">Another number draws others of the same kind: 0 for training, 1 for testing.</param>
    public static Dataset Draw(int count, int seed, int stream = 0)
        => Draw([.. Enumerable.Range(0, count)], seed, stream);

    /// <summary>Draws some of them: number 7 is the same whether the others are drawn or not.</summary>
    /// <param name="numbers">Which.</param>
    /// <param name="seed">The seed.</param>
    /// <param name="stream">As above.</param>
    public static Dataset Draw(IReadOnlyList<int> numbers, int seed, int stream = 0)
    {
        ArgumentNullException.ThrowIfNull(numbers);
        ArgumentOutOfRangeException.ThrowIfZero(numbers.Count);
        float[] pixels = new float[numbers.Count * Side * Side];
        byte[] labels = new byte[numbers.Count];
        for (int i = 0; i < labels.Length; i++)
        {
            labels[i] = LabelOf(numbers[i]);
            Draw(labels[i], SeededRandom.For(seed, stream, numbers[i]), pixels.AsSpan(i * Side * Side, Side * Side));
        }
        return new Dataset(Side * Side, 10, pixels, labels);
    }

    /// <summary>The labels of the first digits, without drawing them.</summary>
    internal static byte[] LabelsOf(int count) => [.. Enumerable.Range(0, count).Select(LabelOf)];

    private static byte LabelOf(int number) => (byte)(number % 10);

    // Every pixel's value falls with its distance from the nearest stroke, which is found in the digit's own
    // coordinates: the map goes from the picture back to the glyph.
    private static void Draw(int digit, SeededRandom random, Span<float> picture)
    {
        double turn = random.NextDouble(-MaxTurn, MaxTurn);
        double shear = random.NextDouble(-MaxShear, MaxShear);
        double width = random.NextDouble(0.85, 1.15) * 9;
        double height = random.NextDouble(0.85, 1.15) * 9;
        double shiftX = random.NextDouble(-MaxShift, MaxShift) + (Side - 1) / 2.0;
        double shiftY = random.NextDouble(-MaxShift, MaxShift) + (Side - 1) / 2.0;
        double thickness = random.NextDouble(0.9, 1.8);
        double ink = random.NextDouble(0.75, 1);
        var (sin, cos) = Math.SinCos(turn);
        var strokes = Glyphs.Of(digit);
        for (int y = 0; y < Side; y++)
        {
            for (int x = 0; x < Side; x++)
            {
                double dx = x - shiftX, dy = y - shiftY;
                double v = (-sin * dx + cos * dy) / height;
                double u = (cos * dx + sin * dy) / width - shear * v;
                double distance = Math.Sqrt(Glyphs.SquaredDistance(strokes, (float)u, (float)v)) * 9;
                double value = ink * Math.Clamp(thickness + 0.5 - distance, 0, 1) + Noise * random.NextGaussian();
                picture[y * Side + x] = (float)Math.Clamp(value, 0, 1);
            }
        }
    }
}
