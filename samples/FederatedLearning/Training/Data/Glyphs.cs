namespace FederatedLearning.Training.Data;

/// <summary>
/// The ten digits as strokes: straight pieces in a box from -1 to 1, y downwards. Curves are made of short pieces.
/// </summary>
internal static class Glyphs
{
    private static readonly Stroke[][] Digits =
    [
        [.. Arc(0, 0, 0.6f, 0.95f, 0, 360)],
        [.. Line(-0.35f, -0.55f, 0.1f, -0.95f, 0.1f, 0.95f)],
        [.. Arc(0, -0.45f, 0.55f, 0.5f, 180, 395), .. Line(0.45f, -0.15f, -0.6f, 0.95f, 0.6f, 0.95f)],
        [.. Arc(-0.05f, -0.48f, 0.55f, 0.47f, 200, 450), .. Arc(-0.05f, 0.45f, 0.6f, 0.5f, 270, 520)],
        [.. Line(0.3f, 0.95f, 0.3f, -0.95f, -0.65f, 0.35f, 0.65f, 0.35f)],
        [.. Line(0.55f, -0.95f, -0.45f, -0.95f, -0.5f, -0.1f), .. Arc(-0.05f, 0.35f, 0.62f, 0.6f, 230, 510)],
        [.. Line(0.35f, -0.95f, -0.3f, -0.35f, -0.55f, 0.3f), .. Arc(0, 0.4f, 0.55f, 0.55f, 0, 360)],
        [.. Line(-0.6f, -0.95f, 0.6f, -0.95f, -0.15f, 0.95f)],
        [.. Arc(0, -0.48f, 0.45f, 0.47f, 0, 360), .. Arc(0, 0.47f, 0.57f, 0.48f, 0, 360)],
        [.. Arc(0, -0.4f, 0.55f, 0.55f, 0, 360), .. Line(0.55f, -0.3f, 0.4f, 0.35f, 0.05f, 0.95f)],
    ];

    public static ReadOnlySpan<Stroke> Of(int digit) => Digits[digit];

    /// <summary>The squared distance of a point from the nearest stroke.</summary>
    public static float SquaredDistance(ReadOnlySpan<Stroke> strokes, float x, float y)
    {
        float nearest = float.MaxValue;
        foreach (ref readonly var stroke in strokes) nearest = Math.Min(nearest, stroke.SquaredDistance(x, y));
        return nearest;
    }

    // Degrees, clockwise on the screen, 0 to the right.
    private static IEnumerable<Stroke> Arc(float x, float y, float radiusX, float radiusY, int from, int to)
    {
        const int Step = 30;
        for (int angle = from; angle < to; angle += Step)
        {
            var (sin, cos) = MathF.SinCos(angle * MathF.PI / 180);
            var (nextSin, nextCos) = MathF.SinCos(Math.Min(angle + Step, to) * MathF.PI / 180);
            yield return new Stroke(x + radiusX * cos, y + radiusY * sin, x + radiusX * nextCos, y + radiusY * nextSin);
        }
    }

    private static IEnumerable<Stroke> Line(params float[] points)
    {
        for (int i = 0; i + 3 < points.Length; i += 2)
            yield return new Stroke(points[i], points[i + 1], points[i + 2], points[i + 3]);
    }
}

/// <summary>A straight piece from one point to another.</summary>
internal readonly struct Stroke(float x1, float y1, float x2, float y2)
{
    private readonly float _dx = x2 - x1;
    private readonly float _dy = y2 - y1;
    private readonly float _inverse = 1 / ((x2 - x1) * (x2 - x1) + (y2 - y1) * (y2 - y1));

    /// <summary>The squared distance of a point from it.</summary>
    public float SquaredDistance(float x, float y)
    {
        float px = x - x1, py = y - y1;
        float along = Math.Clamp((px * _dx + py * _dy) * _inverse, 0, 1);
        float ex = px - along * _dx, ey = py - along * _dy;
        return ex * ex + ey * ey;
    }
}
