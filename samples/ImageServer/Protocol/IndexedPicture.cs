namespace ImageServer.Protocol;

/// <summary>A picture in the colours of its mode, before it is put into bytes and after it was read from
/// them.</summary>
/// <param name="Mode">Its mode.</param>
/// <param name="Pixels">A byte for each pixel, row by row: a shade, or the index of a colour.</param>
/// <param name="Palette">Red, green and blue of each colour; empty in a mode of shades. As the screen has it: entry 0
/// is black.</param>
public sealed record IndexedPicture(GraphicsMode Mode, byte[] Pixels, byte[] Palette)
{
    /// <summary>The mode's format.</summary>
    public ModeFormat Format => ModeFormat.Of(Mode);

    /// <summary>The colour of a pixel as a screen shows it.</summary>
    public (byte Red, byte Green, byte Blue) ColorAt(int x, int y)
    {
        byte pixel = Pixels[y * Format.Width + x];
        if (Format.HasPalette)
            return (Palette[3 * pixel], Palette[3 * pixel + 1], Palette[3 * pixel + 2]);
        byte shade = (byte)(255 * pixel / (Format.Colors - 1));
        return (shade, shade, shade);
    }
}
