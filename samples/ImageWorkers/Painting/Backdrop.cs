using SkiaSharp;

namespace ImageWorkers.Painting;

/// <summary>Draws sky and ground.</summary>
internal static class Backdrop
{
    /// <summary>Where ground begins, as a share of the height.</summary>
    public const float Horizon = 0.52f;

    private static readonly SKColor NightBlue = new(0xFF101A3C);

    public static void Draw(Pen pen, Scene scene, Randomness random, SKSize size)
    {
        if (scene.Ground is Ground.Plain)
        {
            Fade(pen, SKRect.Create(size), PlainColors(scene));
            return;
        }

        Fade(pen, SKRect.Create(size), Sky(scene));
        if (scene.Daytime is Daytime.Night || scene.Ground is Ground.Space)
            Stars(pen, random, size, scene.Ground is Ground.Space ? size.Height : Horizon * size.Height);
        if (scene.Ground is Ground.City)
            Skyline(pen, scene, random, size);
        if (scene.Ground is Ground.Space)
            return;

        var below = new SKRect(0, Horizon * size.Height, size.Width, size.Height);
        var color = GroundColor(scene);
        Fade(pen, below, (Pen.Lighter(color, 0.12f), Pen.Darker(color, 0.2f)));
        switch (scene.Ground)
        {
            case Ground.Sea: Waves(pen, color, random, below); break;
            case Ground.Beach: Surf(pen, below); break;
            case Ground.City: Road(pen, below); break;
            case Ground.Field: Tufts(pen, color, random, below); break;
            default: Dunes(pen, color, random, below); break;
        }
    }

    private static (SKColor Top, SKColor Bottom) PlainColors(Scene scene)
    {
        var color = scene.GroundColor ?? scene.SkyColor ?? new SKColor(
            scene.Daytime is Daytime.Night ? 0xFF1B2240 : 0xFFF3EBDC);
        return (Pen.Lighter(color, 0.08f), Pen.Darker(color, 0.08f));
    }

    private static (SKColor Top, SKColor Bottom) Sky(Scene scene)
    {
        if (scene.Ground is Ground.Space)
            return (scene.GroundColor ?? scene.SkyColor ?? new SKColor(0xFF05060F), new SKColor(0xFF0D1128));
        if (scene.SkyColor is { } color)
            return scene.Daytime is Daytime.Night ? (Pen.Darker(color, 0.7f), Pen.Darker(color, 0.5f))
                : (color, Pen.Lighter(color, 0.45f));
        return scene.Daytime switch
        {
            Daytime.Night => (NightBlue, new SKColor(0xFF25346B)),
            Daytime.Sunset => (new SKColor(0xFF5B3A8C), new SKColor(0xFFFF9A4D)),
            _ => (new SKColor(0xFF8FC9F0), new SKColor(0xFFE9F5FB)),
        };
    }

    private static SKColor GroundColor(Scene scene)
    {
        var color = scene.GroundColor ?? new SKColor(scene.Ground switch
        {
            Ground.Sea => 0xFF2B78C2,
            Ground.Field => 0xFF6BB04A,
            Ground.Desert => 0xFFE0B06A,
            Ground.Beach => 0xFFEBD8A0,
            Ground.Snow => 0xFFEFF4F8,
            _ => 0xFF83878D,
        });
        return scene.Daytime switch
        {
            Daytime.Night => Pen.Mix(color, NightBlue, 0.35f),
            Daytime.Sunset => Pen.Mix(color, new SKColor(0xFFE0703A), 0.18f),
            _ => color,
        };
    }

    private static void Fade(Pen pen, SKRect area, (SKColor Top, SKColor Bottom) colors)
    {
        using var shader = SKShader.CreateLinearGradient(
            new SKPoint(0, area.Top), new SKPoint(0, area.Bottom), [colors.Top, colors.Bottom], SKShaderTileMode.Clamp);
        using var paint = new SKPaint { Shader = shader };
        pen.Canvas.DrawRect(area, paint);
    }

    private static void Stars(Pen pen, Randomness random, SKSize size, float bottom)
    {
        for (int i = 0; i < 90; i++)
            pen.Fill(new SKColor(0xFFAEB8D6), random.Next() * size.Width, random.Next() * bottom,
                random.Between(0.6f, 1.5f));
    }

    private static void Waves(Pen pen, SKColor color, Randomness random, SKRect area)
    {
        for (float y = area.Top + 12; y < area.Bottom; y += 8 + (y - area.Top) / 12)
        {
            for (float x = random.Next() * 60 - 40; x < area.Right; x += random.Between(70, 130))
            {
                float length = random.Between(14, 34);
                pen.Line(Pen.Lighter(color, 0.3f), 1.6f, (x, y), (x + length / 2, y - 2.5f), (x + length, y));
            }
        }
    }

    private static void Surf(Pen pen, SKRect area)
    {
        var sea = new SKColor(0xFF2F86C8);
        Fade(pen, area with { Bottom = area.Top + 0.3f * area.Height },
            (Pen.Darker(sea, 0.1f), Pen.Lighter(sea, 0.2f)));
        pen.Line(new SKColor(0xFFF7FBFD), 5, (0, area.Top + 0.3f * area.Height),
            (area.Right, area.Top + 0.31f * area.Height));
    }

    private static void Tufts(Pen pen, SKColor color, Randomness random, SKRect area)
    {
        for (int i = 0; i < 120; i++)
        {
            var (x, y) = (random.Next() * area.Width, area.Top + 8 + random.Next() * (area.Height - 8));
            pen.Line(Pen.Darker(color, 0.22f), 1.5f, (x - 3, y - 5), (x, y), (x + 3, y - 6));
        }
    }

    private static void Dunes(Pen pen, SKColor color, Randomness random, SKRect area)
    {
        for (int i = 0; i < 4; i++)
        {
            float y = area.Top + (0.15f + 0.22f * i) * area.Height;
            float lift = random.Between(14, 30);
            float peak = random.Next() * area.Width;
            pen.Line(Pen.Darker(color, 0.14f), 2.5f, (0, y), (peak / 2, y - lift / 2), (peak, y - lift),
                ((peak + area.Width) / 2, y - lift / 3), (area.Width, y));
        }
    }

    private static void Skyline(Pen pen, Scene scene, Randomness random, SKSize size)
    {
        float bottom = Horizon * size.Height + 2;
        bool isNight = scene.Daytime is Daytime.Night;
        for (float x = 0f; x < size.Width;)
        {
            float width = random.Between(38, 80);
            float height = random.Between(60, 190);
            var wall = Pen.Mix(
                new SKColor(0xFF59616E), isNight ? NightBlue : SKColors.White, random.Between(0.1f, 0.4f));
            pen.Box(wall, x, bottom - height, x + width, bottom, outline: 1);
            for (float wx = x + 7; wx < x + width - 10; wx += 14)
            {
                for (float wy = bottom - height + 9; wy < bottom - 12; wy += 17)
                    pen.Box(new SKColor(isNight && random.Next() < 0.6f ? 0xFFD9C36A : 0xFF3E4754), wx, wy, wx + 6, wy
                        + 9, outline: 0);
            }

            x += width;
        }
    }

    private static void Road(Pen pen, SKRect area)
    {
        float middle = area.Top + 0.55f * area.Height;
        for (float x = 10f; x < area.Right; x += 70)
            pen.Line(new SKColor(0xFFF1EFE3), 4, (x, middle), (x + 34, middle));
    }
}
