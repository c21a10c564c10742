using SkiaSharp;

namespace ImageWorkers.Painting;

/// <summary>Draws one thing into the square from -1 to 1, its foot at the bottom.</summary>
internal static class Figures
{
    private static readonly SKColor Ink = new(0xFF1B1B22);
    private static readonly SKColor Wood = new(0xFF6B4423);
    private static readonly SKColor Cream = new(0xFFFBF6E6);

    /// <summary>Draws a thing in its colour, or in the one that such things have.</summary>
    public static void Draw(Pen pen, Group group)
    {
        var color = group.Color ?? UsualColor(group);
        switch (group.Thing)
        {
            case Thing.Boat: Boat(pen, color); break;
            case Thing.House: House(pen, color); break;
            case Thing.Tree: Tree(pen, color); break;
            case Thing.Mountain: Mountain(pen, color); break;
            case Thing.Cloud: Cloud(pen, color); break;
            case Thing.Sun: Sun(pen, color); break;
            case Thing.Moon:
                pen.ShapeOf(
                color, "M0.35,-0.85 A0.9,0.9 0 1,0 0.35,0.85 A0.75,0.75 0 1,1 0.35,-0.85 Z"); break;
            case Thing.Star: pen.Polygon(color, [.. StarPoints(5, 0.95f, 0.4f)]); break;
            case Thing.Flower: Flower(pen, color); break;
            case Thing.Bird:
                pen.ShapeOf(
                color, "M-1,-0.35 C-0.6,-0.6 -0.25,-0.35 0,0.05 C0.25,-0.35 0.6,-0.6 1,-0.35 C0.6,-0.3 0.3,0 "
                    + "0.1,0.45 L0.28,0.62 L-0.1,0.55 L-0.1,0.4 C-0.3,0 -0.6,-0.3 -1,-0.35 Z"); break;
            case Thing.Fish: Fish(pen, color); break;
            case Thing.Balloon: Balloon(pen, color); break;
            case Thing.Car: Car(pen, color); break;
            case Thing.Cat: Cat(pen, color); break;
            case Thing.Dog: Dog(pen, color); break;
            case Thing.Person: Person(pen, color); break;
            case Thing.Rocket: Rocket(pen, color); break;
            case Thing.Circle: pen.Ellipse(color, 0, 0, 0.9f, 0.9f); break;
            case Thing.Square: pen.Box(color, -0.85f, -0.85f, 0.85f, 0.85f); break;
            case Thing.Triangle: pen.Polygon(color, (0, -0.9f), (0.95f, 0.8f), (-0.95f, 0.8f)); break;
            case Thing.Heart:
                pen.ShapeOf(
                color, "M0,0.9 C-1.5,-0.1 -0.9,-1.1 -0.3,-0.8 C-0.1,-0.7 0,-0.5 0,-0.4 C0,-0.5 0.1,-0.7 "
                    + "0.3,-0.8 C0.9,-1.1 1.5,-0.1 0,0.9 Z"); break;
            default: Emblem(pen, color, group.Word); break;
        }
    }

    private static SKColor UsualColor(Group group) => new(group.Thing switch
    {
        Thing.Boat => 0xFFB5412F,
        Thing.House => 0xFFE8D3A9,
        Thing.Tree => 0xFF2E7D32,
        Thing.Mountain => 0xFF6C7A89,
        Thing.Cloud => 0xFFF4F7FA,
        Thing.Sun => 0xFFFFC928,
        Thing.Moon => 0xFFF3EFC6,
        Thing.Star => 0xFFFFE066,
        Thing.Flower => 0xFFE84393,
        Thing.Bird => 0xFF3B3F46,
        Thing.Fish => 0xFFFF8C42,
        Thing.Balloon => 0xFFE63946,
        Thing.Car => 0xFFC1272D,
        Thing.Cat => 0xFF8D6E63,
        Thing.Dog => 0xFFB07A43,
        Thing.Person => 0xFF3D6FB6,
        Thing.Rocket => 0xFFE5E8EC,
        Thing.Heart => 0xFFE0245E,
        _ => (uint)SKColor.FromHsl(Randomness.Hash(group.Word) % 360, 65, 50),
    });

    private static void Boat(Pen pen, SKColor color)
    {
        pen.Line(Wood, 0.07f, (0, -0.9f), (0, 0.45f));
        pen.Polygon(Cream, (0.07f, -0.85f), (0.75f, 0.3f), (0.07f, 0.3f));
        pen.Polygon(Pen.Darker(Cream, 0.12f), (-0.07f, -0.65f), (-0.6f, 0.3f), (-0.07f, 0.3f));
        pen.ShapeOf(color,
            "M-0.95,0.42 L0.95,0.42 C0.9,0.7 0.75,0.9 0.6,0.9 L-0.6,0.9 C-0.8,0.9 -0.9,0.7 -0.95,0.42 Z");
        // Red and blue are one grey: rail and foam keep hull and sea apart on a screen without colours.
        pen.Line(Cream, 0.07f, (-0.9f, 0.42f), (0.9f, 0.42f));
        pen.Line(Cream, 0.05f, (-0.85f, 0.97f), (-0.4f, 0.92f), (0, 0.97f), (0.4f, 0.92f), (0.85f, 0.97f));
    }

    private static void House(Pen pen, SKColor color)
    {
        var roof = Pen.Darker(new SKColor(0xFF9C4A32), 0.1f);
        pen.Box(Pen.Darker(roof), 0.35f, -0.85f, 0.55f, -0.3f);
        pen.Box(color, -0.7f, -0.15f, 0.7f, 1);
        pen.Polygon(roof, (-0.95f, -0.12f), (0, -0.9f), (0.95f, -0.12f));
        pen.Box(Wood, -0.16f, 0.4f, 0.16f, 1);
        pen.Box(new SKColor(0xFFBFE3F5), -0.55f, 0.1f, -0.25f, 0.4f);
        pen.Box(new SKColor(0xFFBFE3F5), 0.25f, 0.1f, 0.55f, 0.4f);
    }

    private static void Tree(Pen pen, SKColor color)
    {
        pen.Box(Wood, -0.12f, 0.2f, 0.12f, 1);
        using var crown = Pen.Merged((-0.38f, 0.05f, 0.42f), (0.38f, 0.05f, 0.42f), (0, -0.45f, 0.48f), (0, 0, 0.45f));
        pen.Shape(color, crown);
        pen.Fill(Pen.Lighter(color, 0.2f), -0.18f, -0.5f, 0.16f);
        pen.Fill(Pen.Darker(color, 0.2f), 0.4f, 0.1f, 0.16f);
    }

    private static void Mountain(Pen pen, SKColor color)
    {
        pen.Polygon(color, (-1, 1), (-0.25f, -0.55f), (-0.05f, -0.3f), (0.15f, -0.9f), (1, 1));
        pen.Polygon(Cream, (-0.03f, -0.35f), (0.15f, -0.9f), (0.36f, -0.42f), (0.22f, -0.5f), (0.12f, -0.3f));
    }

    private static void Cloud(Pen pen, SKColor color)
    {
        using var cloud = Pen.Merged(
            (-0.55f, 0.15f, 0.35f), (-0.1f, -0.1f, 0.45f), (0.45f, 0.05f, 0.38f), (0, 0.2f, 0.34f),
            (0.7f, 0.22f, 0.25f));
        pen.Shape(color, cloud, outline: 0.02f);
    }

    private static void Sun(Pen pen, SKColor color)
    {
        for (int ray = 0; ray < 12; ray++)
        {
            var (sin, cos) = MathF.SinCos(ray * MathF.PI / 6);
            pen.Line(color, 0.08f, (0.7f * cos, 0.7f * sin), (0.95f * cos, 0.95f * sin));
        }

        pen.Ellipse(color, 0, 0, 0.58f, 0.58f, outline: 0.02f);
    }

    private static void Flower(Pen pen, SKColor color)
    {
        pen.Line(new SKColor(0xFF2F7D32), 0.1f, (0, 0), (0.04f, 1));
        pen.ShapeOf(new SKColor(0xFF3E9B41), "M0.03,0.75 C0.2,0.4 0.5,0.4 0.6,0.45 C0.5,0.7 0.3,0.8 0.03,0.75 Z");
        var petals = new (float, float, float)[7];
        for (int petal = 0; petal < 6; petal++)
        {
            var (sin, cos) = MathF.SinCos(petal * MathF.PI / 3);
            petals[petal] = (0.38f * cos, -0.35f + 0.38f * sin, 0.27f);
        }

        petals[6] = (0, -0.35f, 0.3f);
        using var bloom = Pen.Merged(petals);
        pen.Shape(color, bloom);
        pen.Ellipse(new SKColor(0xFFF2B705), 0, -0.35f, 0.2f, 0.2f, outline: 0.02f);
    }

    private static void Fish(Pen pen, SKColor color)
    {
        pen.ShapeOf(color,
            "M-0.9,0 C-0.5,-0.65 0.25,-0.6 0.5,-0.08 L0.95,-0.45 L0.85,0 L0.95,0.45 L0.5,0.08 C0.25,0.6 "
                + "-0.5,0.65 -0.9,0 Z");
        pen.Line(Pen.Darker(color), 0.05f, (-0.3f, -0.35f), (-0.22f, 0), (-0.3f, 0.35f));
        pen.Ellipse(Cream, -0.58f, -0.1f, 0.1f, 0.1f, outline: 0.02f);
        pen.Fill(Ink, -0.6f, -0.1f, 0.05f);
    }

    private static void Balloon(Pen pen, SKColor color)
    {
        pen.Line(Ink, 0.03f, (0, 0.45f), (0.06f, 0.65f), (-0.05f, 0.8f), (0, 1));
        pen.ShapeOf(color, "M0,0.4 L-0.1,0.52 L0.1,0.52 Z");
        pen.ShapeOf(color, "M0,0.42 C-0.75,0 -0.75,-0.95 0,-0.95 C0.75,-0.95 0.75,0 0,0.42 Z");
        pen.Fill(Pen.Lighter(color, 0.5f), -0.22f, -0.55f, 0.11f);
    }

    private static void Car(Pen pen, SKColor color)
    {
        pen.ShapeOf(color,
            "M-0.98,0.7 L-0.98,0.3 C-0.9,0.15 -0.7,0.12 -0.55,0.1 L-0.3,-0.28 L0.38,-0.28 L0.62,0.1 C0.85,0.12 "
                + "0.98,0.2 0.98,0.4 L0.98,0.7 Z");
        pen.Polygon(new SKColor(0xFFBFE3F5), (-0.38f, 0.08f), (-0.22f, -0.18f), (0, -0.18f), (0, 0.08f));
        pen.Polygon(new SKColor(0xFFBFE3F5), (0.08f, 0.08f), (0.08f, -0.18f), (0.32f, -0.18f), (0.47f, 0.08f));
        foreach (float x in (ReadOnlySpan<float>)[-0.52f, 0.54f])
        {
            pen.Ellipse(Ink, x, 0.72f, 0.24f, 0.24f);
            pen.Fill(new SKColor(0xFFC9CDD3), x, 0.72f, 0.11f);
        }
    }

    private static void Cat(Pen pen, SKColor color)
    {
        pen.Line(Pen.Darker(color, 0.15f), 0.14f, (0.5f, 0.8f), (0.8f, 0.55f), (0.75f, 0.15f), (0.88f, -0.05f));
        pen.ShapeOf(color, "M-0.5,1 C-0.6,0.3 -0.3,0 0.05,0 C0.45,0 0.65,0.4 0.55,1 Z");
        pen.ShapeOf(color,
            "M-0.55,-0.25 L-0.6,-0.9 L-0.28,-0.68 C-0.1,-0.75 0.1,-0.75 0.25,-0.68 L0.55,-0.9 L0.52,-0.25 "
                + "C0.4,0.12 -0.4,0.12 -0.55,-0.25 Z");
        pen.Ellipse(new SKColor(0xFFC8E06A), -0.24f, -0.32f, 0.1f, 0.12f, outline: 0.02f);
        pen.Ellipse(new SKColor(0xFFC8E06A), 0.22f, -0.32f, 0.1f, 0.12f, outline: 0.02f);
        pen.Fill(Ink, -0.24f, -0.32f, 0.05f);
        pen.Fill(Ink, 0.22f, -0.32f, 0.05f);
        pen.Polygon(new SKColor(0xFFE59AA5), (-0.07f, -0.16f), (0.05f, -0.16f), (-0.01f, -0.08f));
    }

    private static void Dog(Pen pen, SKColor color)
    {
        pen.Line(color, 0.13f, (0.6f, 0.15f), (0.8f, -0.05f), (0.92f, -0.3f));
        foreach (float x in (ReadOnlySpan<float>)[-0.42f, -0.2f, 0.4f, 0.6f])
            pen.Box(Pen.Darker(color, 0.15f), x - 0.09f, 0.4f, x + 0.09f, 1, round: 0.05f);
        pen.ShapeOf(color,
            "M-0.5,0 C-0.2,0.08 0.4,-0.02 0.65,0.1 C0.8,0.3 0.75,0.55 0.6,0.6 L-0.4,0.6 C-0.6,0.5 -0.6,0.2 -0.5,0 Z");
        pen.ShapeOf(color,
            "M-0.25,-0.55 C-0.45,-0.75 -0.65,-0.6 -0.7,-0.4 L-0.98,-0.28 C-1,-0.1 -0.9,-0.05 -0.75,-0.05 "
                + "L-0.55,0.2 L-0.2,0.1 C-0.15,-0.2 -0.15,-0.4 -0.25,-0.55 Z");
        pen.ShapeOf(Pen.Darker(color, 0.35f),
            "M-0.35,-0.62 C-0.15,-0.6 -0.05,-0.3 -0.1,-0.05 C-0.25,-0.05 -0.35,-0.3 -0.42,-0.52 Z");
        pen.Fill(Ink, -0.58f, -0.38f, 0.06f);
        pen.Fill(Ink, -0.95f, -0.23f, 0.06f);
    }

    private static void Person(Pen pen, SKColor color)
    {
        pen.Line(Ink, 0.17f, (-0.14f, 0.45f), (-0.17f, 0.95f));
        pen.Line(Ink, 0.17f, (0.14f, 0.45f), (0.17f, 0.95f));
        pen.Line(Pen.Darker(color, 0.15f), 0.14f, (-0.25f, -0.2f), (-0.5f, 0.3f));
        pen.Line(Pen.Darker(color, 0.15f), 0.14f, (0.25f, -0.2f), (0.5f, 0.3f));
        pen.Box(color, -0.3f, -0.32f, 0.3f, 0.5f, round: 0.12f);
        pen.Ellipse(new SKColor(0xFFE8B58F), 0, -0.62f, 0.27f, 0.29f);
        pen.ShapeOf(Wood, "M-0.28,-0.62 C-0.3,-1.02 0.3,-1.02 0.28,-0.62 C0.15,-0.8 -0.1,-0.8 -0.28,-0.62 Z");
    }

    private static void Rocket(Pen pen, SKColor color)
    {
        pen.ShapeOf(new SKColor(0xFFFF9F1C), "M-0.2,0.55 L0,1 L0.2,0.55 Z");
        pen.Polygon(new SKColor(0xFFC1272D), (-0.28f, 0.1f), (-0.6f, 0.65f), (-0.25f, 0.55f));
        pen.Polygon(new SKColor(0xFFC1272D), (0.28f, 0.1f), (0.6f, 0.65f), (0.25f, 0.55f));
        pen.ShapeOf(color, "M0,-0.98 C0.45,-0.5 0.35,0.3 0.25,0.58 L-0.25,0.58 C-0.35,0.3 -0.45,-0.5 0,-0.98 Z");
        pen.Ellipse(new SKColor(0xFF7CC6E8), 0, -0.25f, 0.15f, 0.15f);
    }

    // Lobes and colours that only this word has: two words that the painter does not know never look alike.
    private static void Emblem(Pen pen, SKColor color, string word)
    {
        ulong hash = Randomness.Hash(word);
        int lobes = 3 + (int)(hash >> 8 & 7);
        pen.Polygon(color, [.. StarPoints(lobes, 0.95f, 0.45f + (hash >> 16 & 15) / 40f)]);
        color.ToHsl(out float hue, out _, out _);
        pen.Ellipse(SKColor.FromHsl((hue + 180) % 360, 60, 60), 0, 0, 0.3f, 0.3f);
    }

    private static IEnumerable<(float X, float Y)> StarPoints(int points, float outer, float inner)
    {
        for (int i = 0; i < 2 * points; i++)
        {
            var (sin, cos) = MathF.SinCos(i * MathF.PI / points - MathF.PI / 2);
            float radius = i % 2 == 0 ? outer : inner;
            yield return (radius * cos, radius * sin);
        }
    }
}
