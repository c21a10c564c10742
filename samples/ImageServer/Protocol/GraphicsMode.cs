namespace ImageServer.Protocol;

/// <summary>The graphics modes that a client may ask for by <c>gfx N</c>. The values are those on the wire.</summary>
public enum GraphicsMode : byte
{
    /// <summary>320 × 220, black and white, dithered. What a client has before it asks for another.</summary>
    Graphics8 = 2,

    /// <summary>80 × 220, 16 greys; a pixel is four times as wide as high.</summary>
    Graphics9 = 4,

    /// <summary>320 × 240, 256 colours of a palette.</summary>
    Vbxe256 = 0x11,

    /// <summary>640 × 240, 16 colours of a palette; a pixel is half as wide as high.</summary>
    Vbxe16 = 0x12,
}

/// <summary>What a mode's pictures are like.</summary>
public sealed record ModeFormat
{
    private static readonly ModeFormat[] All =
    [
        new(GraphicsMode.Graphics8, Width: 320, Height: 220, BitsPerPixel: 1, PixelWidth: 1),
        new(GraphicsMode.Graphics9, Width: 80, Height: 220, BitsPerPixel: 4, PixelWidth: 4),
        new(GraphicsMode.Vbxe256, Width: 320, Height: 240, BitsPerPixel: 8, PixelWidth: 1),
        new(GraphicsMode.Vbxe16, Width: 640, Height: 240, BitsPerPixel: 4, PixelWidth: 0.5f),
    ];

    private ModeFormat(GraphicsMode mode, int Width, int Height, int BitsPerPixel, float PixelWidth)
        => (Mode, this.Width, this.Height, this.BitsPerPixel, this.PixelWidth) = (
            mode, Width, Height, BitsPerPixel, PixelWidth);

    /// <summary>The modes that there are.</summary>
    public static IReadOnlyList<GraphicsMode> Modes { get; } = [.. All.Select(format => format.Mode)];

    /// <summary>The mode.</summary>
    public GraphicsMode Mode { get; }

    /// <summary>Pixels in a row.</summary>
    public int Width { get; }

    /// <summary>Rows.</summary>
    public int Height { get; }

    /// <summary>Bits of a pixel: 1, 4 or 8. The left pixel of a byte is in its highest bits.</summary>
    public int BitsPerPixel { get; }

    /// <summary>A pixel's width on the screen, measured in its height.</summary>
    public float PixelWidth { get; }

    /// <summary>Whether a palette goes with the picture. Without one, pixel values are shades from black to
    /// white.</summary>
    public bool HasPalette => Mode is GraphicsMode.Vbxe256 or GraphicsMode.Vbxe16;

    /// <summary>Values that a pixel may have.</summary>
    public int Colors => 1 << BitsPerPixel;

    /// <summary>Bytes of all pixels.</summary>
    public int PixelBytes => Width * Height * BitsPerPixel / 8;

    /// <summary>The format of a mode.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such mode.</exception>
    public static ModeFormat Of(GraphicsMode mode) => Array.Find(All, format => format.Mode == mode)
        ?? throw new ArgumentOutOfRangeException(nameof(mode), mode, "There is no such graphics mode.");

    /// <summary>Whether there is such a mode.</summary>
    public static bool Exists(int mode) => Array.Exists(All, format => (int)format.Mode == mode);
}
