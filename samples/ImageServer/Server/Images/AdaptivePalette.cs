namespace ImageServer.Server.Images;

/// <summary>The colours that serve a picture best, by median cut (Heckbert, 1982) over a histogram of 15
/// bits.</summary>
internal static class AdaptivePalette
{
    private const int Bins = 1 << 15;

    /// <summary>The colours, at most so many. Pixels come as blue, green, red, alpha.</summary>
    public static Rgb[] Of(ReadOnlySpan<byte> pixels, int most)
    {
        var (counts, sums) = Histogram(pixels);
        int[] used = Enumerable.Range(0, Bins).Where(bin => counts[bin] > 0).ToArray();
        var boxes = new List<Box> { Box.Around(used, counts) };
        while (boxes.Count < most && Largest(boxes) is { } at)
        {
            var (low, high) = boxes[at].Cut(counts);
            boxes[at] = low;
            boxes.Add(high);
        }

        return [.. boxes.Select(box => box.Average(counts, sums))];
    }

    /// <summary>The bin of a colour.</summary>
    public static int BinOf(int red, int green, int blue) => red >> 3 << 10 | green >> 3 << 5 | blue >> 3;

    private static (int[] Counts, (long Red, long Green, long Blue)[] Sums) Histogram(ReadOnlySpan<byte> pixels)
    {
        int[] counts = new int[Bins];
        var sums = new (long Red, long Green, long Blue)[Bins];
        for (int i = 0; i < pixels.Length; i += 4)
        {
            int bin = BinOf(pixels[i + 2], pixels[i + 1], pixels[i]);
            counts[bin]++;
            sums[bin] = (sums[bin].Red + pixels[i + 2], sums[bin].Green + pixels[i + 1], sums[bin].Blue + pixels[i]);
        }

        return (counts, sums);
    }

    // The box whose pixels are furthest from one colour. The root keeps large plain areas from taking all the colours.
    private static int? Largest(List<Box> boxes)
    {
        int? best = null;
        double most = 0.0;
        for (int i = 0; i < boxes.Count; i++)
        {
            double weight = boxes[i].Length * Math.Sqrt(boxes[i].Pixels);
            if (boxes[i].Length > 0 && weight > most)
                (best, most) = (i, weight);
        }

        return best;
    }

    /// <summary>Some bins, and the axis along which they reach furthest.</summary>
    private sealed record Box(int[] Members, int Shift, int Length, long Pixels)
    {
        public static Box Around(int[] members, int[] counts)
        {
            var (shift, length) = (0, -1);
            foreach (int axis in (ReadOnlySpan<int>)[5, 10, 0])
            {
                var (low, high) = (31, 0);
                foreach (int bin in members)
                    (low, high) = (Math.Min(low, bin >> axis & 31), Math.Max(high, bin >> axis & 31));
                if (high - low > length)
                    (shift, length) = (axis, high - low);
            }

            return new Box(members, shift, length, members.Sum(bin => (long)counts[bin]));
        }

        // Both halves hold at least one bin, and bins of one value stay together.
        public (Box Low, Box High) Cut(int[] counts)
        {
            int[] ordered = Members.OrderBy(bin => bin >> Shift & 31).ThenBy(bin => bin).ToArray();
            var (at, seen) = (0, 0L);
            while (at < ordered.Length && (seen += counts[ordered[at]]) < Pixels / 2)
                at++;
            int value = Math.Min(ordered[at] >> Shift & 31, (ordered[^1] >> Shift & 31) - 1);
            int cut = Array.FindIndex(ordered, bin => (bin >> Shift & 31) > value);
            return (Around(ordered[..cut], counts), Around(ordered[cut..], counts));
        }

        public Rgb Average(int[] counts, (long Red, long Green, long Blue)[] sums)
        {
            var (red, green, blue, all) = (0L, 0L, 0L, 0L);
            foreach (int bin in Members)
                (red, green, blue, all) = (
                    red + sums[bin].Red, green + sums[bin].Green, blue + sums[bin].Blue, all + counts[bin]);
            return new Rgb((byte)(red / all), (byte)(green / all), (byte)(blue / all));
        }
    }
}
