using System.Globalization;
using System.Text;
using ImageServer.Protocol;

namespace ImageServer.Client;

/// <summary>Shows a picture in a terminal: each character is two dots, one above the other, the upper half in the
/// colour of the text.</summary>
internal static class TerminalPicture
{
    private const char UpperHalf = '▀';
    private const string Reset = "\x1b[0m";

    /// <summary>The lines of a picture, at most so many characters wide.</summary>
    public static IEnumerable<string> Lines(IndexedPicture picture, int columns)
    {
        var format = picture.Format;
        int wide = (int)Math.Min(columns, format.Width * format.PixelWidth);
        int high = (int)(wide * format.Height / (format.Width * format.PixelWidth)) / 2 * 2;
        var line = new StringBuilder();
        for (int y = 0; y < high; y += 2)
        {
            line.Clear();
            for (int x = 0; x < wide; x++)
            {
                var (upper, lower) = (Average(picture, x, y, wide, high), Average(picture, x, y + 1, wide, high));
                line.Append(CultureInfo.InvariantCulture,
                    $"\x1b[38;2;{upper.Red};{upper.Green};{upper.Blue};48;2;{lower.Red};{lower.Green};{lower.Blue}m");
                line.Append(UpperHalf);
            }

            yield return line.Append(Reset).ToString();
        }
    }

    // Of all the pixels that a dot stands for: dithered pictures would be noise otherwise.
    private static (byte Red, byte Green, byte Blue) Average(IndexedPicture picture, int x, int y, int wide, int high)
    {
        var format = picture.Format;
        var (left, right) = (
            x * format.Width / wide, Math.Max((x + 1) * format.Width / wide, x * format.Width / wide + 1));
        var (top, bottom) = (
            y * format.Height / high, Math.Max((y + 1) * format.Height / high, y * format.Height / high + 1));
        var (red, green, blue) = (0, 0, 0);
        for (int py = top; py < bottom; py++)
        {
            for (int px = left; px < right; px++)
            {
                var color = picture.ColorAt(px, py);
                (red, green, blue) = (red + color.Red, green + color.Green, blue + color.Blue);
            }
        }

        int pixels = (right - left) * (bottom - top);
        return ((byte)(red / pixels), (byte)(green / pixels), (byte)(blue / pixels));
    }
}
