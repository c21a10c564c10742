using SkiaSharp;

namespace ImageWorkers.Painting;

/// <summary>Decides where each thing is: in its zone of the picture, in a cell of its own, so that no two cover each
/// other.</summary>
internal static class Layout
{
    private const float LargestShare = 0.42f;

    /// <summary>The things, from back to front, each with its square.</summary>
    public static IReadOnlyList<(Group Group, SKRect Place)> Of(Scene scene, Randomness random, SKSize size)
        => [.. scene.Groups.SelectMany(group => Enumerable.Repeat(group, group.Count))
            .GroupBy(group => ZoneOf(group.Thing, scene.Ground))
            .OrderBy(zone => zone.Key)
            .SelectMany(zone => Arrange([.. zone], zone.Key, scene.Ground, random, size)
                .OrderBy(placed => placed.Place.Bottom))];

    private enum Zone
    {
        Sky, Ridge, Ground, Water, All,
    }

    private static Zone ZoneOf(Thing thing, Ground ground)
    {
        if (ground is Ground.Plain or Ground.Space)
            return Zone.All;
        return thing switch
        {
            Thing.Cloud or Thing.Sun or Thing.Moon or Thing.Star or Thing.Bird or Thing.Balloon or Thing.Rocket
                => Zone.Sky,
            Thing.Mountain => Zone.Ridge,
            Thing.Fish when ground is Ground.Sea => Zone.Water,
            _ => Zone.Ground,
        };
    }

    private static SKRect AreaOf(Zone zone, Ground ground, SKSize size)
    {
        float horizon = Backdrop.Horizon * size.Height;
        return zone switch
        {
            Zone.Sky => new SKRect(
                0.03f * size.Width, 0.03f * size.Height, 0.97f * size.Width, horizon - 0.06f * size.Height),
            Zone.Ridge => new SKRect(0, horizon - 0.4f * size.Height, size.Width, horizon + 2),
            Zone.Water => new SKRect(
                0.03f * size.Width, horizon + 0.02f * size.Height, 0.97f * size.Width, 0.97f * size.Height),
            // What is far away reaches above the horizon, but nothing stands in the surf.
            Zone.Ground => new SKRect(
                0.03f * size.Width, horizon + (ground is Ground.Beach ? 0.05f : -0.1f) * size.Height,
                0.97f * size.Width, 0.97f * size.Height),
            _ => new SKRect(0.05f * size.Width, 0.05f * size.Height, 0.95f * size.Width, 0.95f * size.Height),
        };
    }

    private static IEnumerable<(Group Group, SKRect Place)> Arrange(
        Group[] things, Zone zone, Ground ground, Randomness random, SKSize size)
    {
        var area = AreaOf(zone, ground, size);
        var (columns, rows) = Grid(things.Length, area);
        var cell = new SKSize(area.Width / columns, area.Height / rows);
        int[] cells = Enumerable.Range(0, columns * rows).ToArray();
        Shuffle(cells, random);
        for (int i = 0; i < things.Length; i++)
        {
            // Things stay inside their cells, whatever their size and wherever chance puts them.
            float room = Math.Min(cell.Width, cell.Height);
            float side = Math.Min(
                room * 0.96f, Math.Min(room * 0.78f, LargestShare * size.Height) * things[i].Size) * random.Between(
                0.9f, 1);
            float left = area.Left + cells[i] % columns * cell.Width + random.Next() * (cell.Width - side);
            float top = area.Top + cells[i] / columns * cell.Height + random.Next() * (cell.Height - side);
            // Mountains stand on the horizon, and are as wide as there is room for.
            yield return (things[i], zone is Zone.Ridge
                ? SKRect.Create(area.Left + cells[i] % columns * cell.Width, area.Bottom - side, cell.Width, side)
                : SKRect.Create(left, top, side, side));
        }
    }

    // The grid with the largest square cells that has room for all.
    private static (int Columns, int Rows) Grid(int count, SKRect area)
        => Enumerable.Range(1, count)
            .Select(columns => (Columns: columns, Rows: (count + columns - 1) / columns))
            .MaxBy(grid => Math.Min(area.Width / grid.Columns, area.Height / grid.Rows));

    private static void Shuffle(int[] items, Randomness random)
    {
        for (int i = items.Length - 1; i > 0; i--)
        {
            int other = (int)(random.Next() * (i + 1));
            (items[i], items[other]) = (items[other], items[i]);
        }
    }
}
