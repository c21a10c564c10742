namespace ImageServer.Server.Images;

/// <summary>Error diffusion after Floyd and Steinberg, every other row from the right. Pixels come as blue, green, red,
/// alpha.</summary>
internal static class Dithering
{
    /// <summary>Shades from black, 0, to white.</summary>
    public static byte[] ToShades(ReadOnlySpan<byte> pixels, int width, int height, int shades)
    {
        byte[] result = new byte[width * height];
        var errors = new Errors(width, channels: 1);
        for (int y = 0; y < height; y++)
        {
            foreach (int x in errors.Row(y))
            {
                int i = 4 * (y * width + x);
                float wanted = Luminance(pixels[i + 2], pixels[i + 1], pixels[i]) + errors.At(x, 0);
                int shade = Math.Clamp((int)MathF.Round(wanted * (shades - 1) / 255), 0, shades - 1);
                result[y * width + x] = (byte)shade;
                errors.Spread(x, 0, wanted - 255f * shade / (shades - 1));
            }
        }

        return result;
    }

    /// <summary>Indices of the colours.</summary>
    public static byte[] ToPalette(ReadOnlySpan<byte> pixels, int width, int height, Rgb[] colors)
    {
        byte[] result = new byte[width * height];
        var errors = new Errors(width, channels: 3);
        var nearest = new NearestColor(colors);
        for (int y = 0; y < height; y++)
        {
            foreach (int x in errors.Row(y))
            {
                int i = 4 * (y * width + x);
                float red = Bounded(pixels[i + 2] + errors.At(x, 0));
                float green = Bounded(pixels[i + 1] + errors.At(x, 1));
                float blue = Bounded(pixels[i] + errors.At(x, 2));
                int index = nearest.Find((int)red, (int)green, (int)blue);
                result[y * width + x] = (byte)index;
                errors.Spread(x, 0, red - colors[index].Red);
                errors.Spread(x, 1, green - colors[index].Green);
                errors.Spread(x, 2, blue - colors[index].Blue);
            }
        }

        return result;
    }

    private static float Luminance(byte red, byte green, byte blue) => 0.299f * red + 0.587f * green + 0.114f * blue;

    // A colour that no palette reaches must not pile up its error.
    private static float Bounded(float value) => Math.Clamp(value, 0, 255);

    /// <summary>What is owed to the pixels to come: of this row and of the next.</summary>
    private sealed class Errors(int width, int channels)
    {
        private float[] _row = new float[width * channels];
        private float[] _next = new float[width * channels];
        private int _step = 1;

        /// <summary>Begins a row; the pixels in the order in which they are to be done.</summary>
        public IEnumerable<int> Row(int y)
        {
            if (y > 0)
            {
                (_row, _next) = (_next, _row);
                Array.Clear(_next);
            }

            _step = y % 2 == 0 ? 1 : -1;
            for (int x = _step > 0 ? 0 : width - 1; x >= 0 && x < width; x += _step)
                yield return x;
        }

        public float At(int x, int channel) => _row[x * channels + channel];

        public void Spread(int x, int channel, float error)
        {
            Add(_row, x + _step, channel, error * 7 / 16);
            Add(_next, x - _step, channel, error * 3 / 16);
            Add(_next, x, channel, error * 5 / 16);
            Add(_next, x + _step, channel, error / 16);
        }

        private void Add(float[] row, int x, int channel, float error)
        {
            if (x >= 0 && x < width)
                row[x * channels + channel] += error;
        }
    }

    /// <summary>Finds the nearest colour; remembers it for each of 32,768 bins.</summary>
    private sealed class NearestColor(Rgb[] colors)
    {
        private readonly short[] _found = Enumerable.Repeat((short)-1, 1 << 15).ToArray();

        public int Find(int red, int green, int blue)
        {
            ref short found = ref _found[AdaptivePalette.BinOf(red, green, blue)];
            if (found < 0)
                found = (short)Search(red | 4, green | 4, blue | 4);
            return found;
        }

        // By the middle of the bin, so that the order of pixels does not decide.
        private int Search(int red, int green, int blue)
        {
            var (best, least) = (0, int.MaxValue);
            for (int i = 0; i < colors.Length; i++)
            {
                int r = (red & ~3) - colors[i].Red, g = (green & ~3) - colors[i].Green,
                    b = (blue & ~3) - colors[i].Blue;
                int distance = 2 * r * r + 4 * g * g + 3 * b * b;
                if (distance < least)
                    (best, least) = (i, distance);
            }

            return best;
        }
    }
}
