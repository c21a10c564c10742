using SkiaSharp;

namespace ImageWorkers.Painting;

/// <summary>Draws in plain colours with a thin dark outline, which 16 greys and even black and white still
/// show.</summary>
internal sealed class Pen(SKCanvas canvas) : IDisposable
{
    private static readonly SKColor Outline = new(0xFF1B1B22);

    private readonly SKPaint _fill = new() { IsAntialias = true, Style = SKPaintStyle.Fill };
    private readonly SKPaint _stroke = new()
    {
        IsAntialias = true,
        Style = SKPaintStyle.Stroke,
        StrokeCap = SKStrokeCap.Round,
        StrokeJoin = SKStrokeJoin.Round
    };

    public SKCanvas Canvas { get; } = canvas;

    public void Shape(SKColor color, SKPath path, float outline = 0.035f)
    {
        Fill(color, path);
        Stroke(Outline, outline, path);
    }

    /// <summary>A shape in the language of SVG's paths.</summary>
    public void ShapeOf(SKColor color, string svg)
    {
        using var path = SKPath.ParseSvgPathData(svg);
        Shape(color, path);
    }

    public void Fill(SKColor color, float x, float y, float radius)
    {
        using var path = Oval(x, y, radius, radius);
        Fill(color, path);
    }

    public void Fill(SKColor color, SKPath path)
    {
        _fill.Color = color;
        Canvas.DrawPath(path, _fill);
    }

    public void Stroke(SKColor color, float width, SKPath path)
    {
        if (width <= 0)
            return;
        _stroke.Color = color;
        _stroke.StrokeWidth = width;
        Canvas.DrawPath(path, _stroke);
    }

    public void Line(SKColor color, float width, params ReadOnlySpan<(float X, float Y)> points)
    {
        using var path = Through(points, close: false);
        Stroke(color, width, path);
    }

    public void Polygon(SKColor color, params ReadOnlySpan<(float X, float Y)> points)
    {
        using var path = Through(points, close: true);
        Shape(color, path);
    }

    public void Ellipse(SKColor color, float x, float y, float radiusX, float radiusY, float outline = 0.035f)
    {
        using var path = Oval(x, y, radiusX, radiusY);
        Shape(color, path, outline);
    }

    public void Box(
        SKColor color, float left, float top, float right, float bottom, float round = 0, float outline = 0.035f)
    {
        using var builder = new SKPathBuilder();
        builder.AddRoundRect(new SKRoundRect(new SKRect(left, top, right, bottom), round));
        using var path = builder.Detach();
        Shape(color, path, outline);
    }

    public static SKPath Oval(float x, float y, float radiusX, float radiusY)
    {
        using var builder = new SKPathBuilder();
        builder.AddOval(new SKRect(x - radiusX, y - radiusY, x + radiusX, y + radiusY));
        return builder.Detach();
    }

    /// <summary>Several ovals as one shape.</summary>
    public static SKPath Merged(params ReadOnlySpan<(float X, float Y, float Radius)> circles)
    {
        var all = new SKPath();
        foreach (var (x, y, radius) in circles)
        {
            using var one = Oval(x, y, radius, radius);
            var merged = all.Op(one, SKPathOp.Union);
            all.Dispose();
            all = merged;
        }

        return all;
    }

    public static SKPath Through(ReadOnlySpan<(float X, float Y)> points, bool close)
    {
        using var builder = new SKPathBuilder();
        builder.MoveTo(points[0].X, points[0].Y);
        foreach (var (x, y) in points[1..])
            builder.LineTo(x, y);
        if (close)
            builder.Close();
        return builder.Detach();
    }

    /// <summary>A darker shade.</summary>
    public static SKColor Darker(SKColor color, float share = 0.3f) => Mix(color, SKColors.Black, share);

    /// <summary>A lighter shade.</summary>
    public static SKColor Lighter(SKColor color, float share = 0.3f) => Mix(color, SKColors.White, share);

    public static SKColor Mix(SKColor one, SKColor other, float share) => new(
        (byte)(one.Red + (other.Red - one.Red) * share),
        (byte)(one.Green + (other.Green - one.Green) * share),
        (byte)(one.Blue + (other.Blue - one.Blue) * share));

    public void Dispose()
    {
        _fill.Dispose();
        _stroke.Dispose();
    }
}
