using ImageServer.Protocol;
using ImageServer.Server.Images;
using ImageServer.Tests.Support;
using SkiaSharp;

namespace ImageServer.Tests;

public sealed class ConverterTests
{
    private const long ManyPixels = 10_000_000;

    public static TheoryData<GraphicsMode> Modes => [.. ModeFormat.Modes];

    [Theory]
    [MemberData(nameof(Modes))]
    public void A_wide_picture_keeps_its_aspect_between_black_bars_above_and_below(GraphicsMode mode)
    {
        using var wide = Images.Plain(400, 100, SKColors.White);
        var picture = ImageConverter.Convert(wide, mode);
        var format = picture.Format;
        float high = format.Width * format.PixelWidth / 4;
        var white = Enumerable.Range(0, format.Height).Where(y => IsBright(picture, format.Width / 2, y)).ToList();
        Assert.InRange(white.Count, high - 1, high + 1);
        Assert.InRange(white[0], (format.Height - high) / 2 - 1, (format.Height - high) / 2 + 1);
        Assert.Equal((0, 0, 0), picture.ColorAt(0, 0));
        Assert.Equal((0, 0, 0), picture.ColorAt(format.Width - 1, format.Height - 1));
    }

    [Theory]
    [MemberData(nameof(Modes))]
    public void A_high_picture_keeps_its_aspect_between_black_bars_left_and_right(GraphicsMode mode)
    {
        using var high = Images.Plain(100, 200, SKColors.White);
        var picture = ImageConverter.Convert(high, mode);
        var format = picture.Format;
        float wide = format.Height / 2 / format.PixelWidth;
        int white = Enumerable.Range(0, format.Width).Count(x => IsBright(picture, x, format.Height / 2));
        Assert.InRange(white, wide - 1.5, wide + 1.5);
        Assert.Equal((0, 0, 0), picture.ColorAt(0, format.Height / 2));
    }

    [Theory]
    [InlineData(GraphicsMode.Graphics8)]
    [InlineData(GraphicsMode.Graphics9)]
    public void Dithering_keeps_the_brightness_of_what_has_no_shade_of_its_own(GraphicsMode mode)
    {
        foreach (byte grey in (byte[])[40, 100, 137, 200])
        {
            using var plain = Images.Plain(320, 220, new SKColor(grey, grey, grey));
            var picture = ImageConverter.Convert(plain, mode);
            Assert.InRange(
                picture.Pixels.Average(pixel => 255.0 * pixel / (picture.Format.Colors - 1)), grey - 3, grey + 3);
        }
    }

    [Theory]
    [InlineData(GraphicsMode.Vbxe256)]
    [InlineData(GraphicsMode.Vbxe16)]
    public void A_palette_begins_with_black_and_no_pixel_needs_an_entry_that_there_is_not(GraphicsMode mode)
    {
        using var colorful = Images.Bitmap(320, 240, canvas =>
        {
            for (int hue = 0; hue < 320; hue++)
            {
                using var paint = new SKPaint { Color = SKColor.FromHsl(hue, 80, 50) };
                canvas.DrawRect(hue, 0, 1, 240, paint);
            }
        });
        var picture = ImageConverter.Convert(colorful, mode);
        Assert.Equal([0, 0, 0], picture.Palette[..3]);
        Assert.Equal(Wire.PaletteBytes, picture.Palette.Length);
        Assert.InRange(picture.Pixels.Min(), 1, 255);
        Assert.InRange(picture.Pixels.Max(), 10, picture.Format.Colors - 1);
    }

    [Fact]
    public void A_palette_adapts_to_few_colours_and_has_each_of_them()
    {
        SKColor[] colors = [new(200, 30, 40), new(20, 120, 220), new(250, 240, 60), new(12, 80, 30)];
        using var flags = Images.Bitmap(320, 240, canvas =>
        {
            for (int i = 0; i < colors.Length; i++)
            {
                using var paint = new SKPaint { Color = colors[i] };
                canvas.DrawRect(80 * i, 0, 80, 240, paint);
            }
        });
        foreach (var mode in (GraphicsMode[])[GraphicsMode.Vbxe256, GraphicsMode.Vbxe16])
        {
            var picture = ImageConverter.Convert(flags, mode);
            for (int i = 0; i < colors.Length; i++)
            {
                var (red, green, blue) = picture.ColorAt((int)((80 * i + 40) / picture.Format.PixelWidth), 120);
                // Where two of them meet, the wider mode mixes them: a bin holds a few such pixels.
                Assert.InRange(
                    Math.Abs(colors[i].Red - red) + Math.Abs(colors[i].Green - green) + Math.Abs(colors[i].Blue - blue),
                    0, 4);
            }
        }
    }

    [Theory]
    [InlineData(SKEncodedImageFormat.Png)]
    [InlineData(SKEncodedImageFormat.Jpeg)]
    [InlineData(SKEncodedImageFormat.Webp)]
    public void Each_format_is_decoded(SKEncodedImageFormat format)
    {
        using var plain = Images.Plain(30, 20, SKColors.OrangeRed);
        using var decoded = ImageDecoder.Decode(Images.Encode(plain, format), ManyPixels);
        Assert.Equal((30, 20), (decoded.Width, decoded.Height));
        var color = decoded.GetPixel(15, 10);
        Assert.InRange(color.Red, 245, 255);
        Assert.InRange(color.Green, 55, 85);
    }

    [Fact]
    public void The_first_frame_of_a_GIF_is_decoded()
    {
        using var decoded = ImageDecoder.Decode(Images.Gif, ManyPixels);
        Assert.Equal([SKColors.Red, SKColors.Lime, SKColors.Blue, SKColors.White], decoded.Pixels);
    }

    [Fact]
    public void What_is_transparent_is_shown_on_black()
    {
        using var clear = Images.Plain(32, 22, SKColors.Transparent);
        using var decoded = ImageDecoder.Decode(Images.Encode(clear, SKEncodedImageFormat.Png), ManyPixels);
        Assert.All(ImageConverter.Convert(decoded, GraphicsMode.Graphics8).Pixels, pixel => Assert.Equal(0, pixel));
    }

    [Fact]
    public void A_picture_that_says_it_is_huge_is_refused_before_memory_is_taken_for_it()
    {
        byte[] bomb = Images.PngBomb(60_000, 60_000); // 14 GB, decoded
        long before = GC.GetTotalAllocatedBytes(precise: true);
        var refused = Assert.Throws<ImageRefusedException>(() => ImageDecoder.Decode(bomb, ManyPixels));
        Assert.Contains("60000 × 60000", refused.Message, StringComparison.Ordinal);
        Assert.InRange(GC.GetTotalAllocatedBytes(precise: true) - before, 0, 1 << 20);
    }

    [Fact]
    public void What_is_no_picture_broken_or_of_another_format_is_refused()
    {
        using var plain = Images.Plain(300, 200, SKColors.Teal);
        byte[] png = Images.Encode(plain, SKEncodedImageFormat.Png);
        byte[] bmp = [
            .. "BM"u8, 58, 0, 0, 0, 0, 0, 0, 0, 54, 0, 0, 0, 40, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 24, 0,
            .. new byte[28]];
        Assert.Throws<ImageRefusedException>(() => ImageDecoder.Decode([], ManyPixels));
        Assert.Throws<ImageRefusedException>(() => ImageDecoder.Decode("<svg/>"u8.ToArray(), ManyPixels));
        Assert.Throws<ImageRefusedException>(() => ImageDecoder.Decode(png[..(png.Length / 2)], ManyPixels));
        Assert.Throws<ImageRefusedException>(() => ImageDecoder.Decode(bmp, ManyPixels));
        Assert.Throws<ImageRefusedException>(
            () => ImageDecoder.Decode(new byte[ImageDecoder.MaxBytes + 1], ManyPixels));
    }

    [Fact]
    public void Rubbish_behind_a_good_header_never_does_more_than_be_refused()
    {
        using var plain = Images.Plain(64, 64, SKColors.Teal);
        var random = new Random(11);
        foreach (var format in (SKEncodedImageFormat[])[
            SKEncodedImageFormat.Png, SKEncodedImageFormat.Jpeg, SKEncodedImageFormat.Webp])
        {
            byte[] good = Images.Encode(plain, format);
            for (int i = 0; i < 200; i++)
            {
                byte[] bad = good.ToArray();
                for (int change = random.Next(1, 8); change > 0; change--)
                    bad[random.Next(bad.Length)] = (byte)random.Next(256);
                try
                {
                    ImageDecoder.Decode(bad, ManyPixels).Dispose();
                }
                catch (ImageRefusedException)
                {
                    // What it is for.
                }
            }
        }
    }

    private static bool IsBright(IndexedPicture picture, int x, int y) => picture.ColorAt(x, y).Green > 128;
}
