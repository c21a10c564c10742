using System.Text;
using ImageServer.Protocol;

namespace ImageServer.Tests;

/// <summary>Against bytes put together by hand from the protocol's description.</summary>
public sealed class WireTests
{
    [Fact]
    public void A_picture_in_mode_2_has_seven_bytes_before_its_pixels_and_the_left_pixel_in_the_highest_bit()
    {
        byte[] pixels = new byte[320 * 220];
        pixels[0] = 1;             // the first row: left edge
        pixels[9] = 1;             // second byte, second bit
        pixels[320 + 319] = 1;     // the second row: right edge
        byte[] answer = Wire.Picture(new IndexedPicture(GraphicsMode.Graphics8, pixels, []));

        Assert.Equal(7 + 8800, answer.Length);
        Assert.Equal("01010002036022", Convert.ToHexStringLower(answer.AsSpan(0, 7)));
        Assert.Equal("8040", Convert.ToHexString(answer.AsSpan(7, 2)));
        Assert.Equal(0x01, answer[7 + 79]);
        Assert.Equal(3, answer.AsSpan(7).ToArray().Count(b => b != 0));
    }

    [Fact]
    public void A_picture_in_mode_4_has_two_pixels_a_byte_the_left_in_the_high_half()
    {
        byte[] pixels = new byte[80 * 220];
        (pixels[0], pixels[1], pixels[80]) = (0xA, 0x5, 0xF);
        byte[] answer = Wire.Picture(new IndexedPicture(GraphicsMode.Graphics9, pixels, []));

        Assert.Equal(7 + 8800, answer.Length);
        Assert.Equal("01010004036022", Convert.ToHexStringLower(answer.AsSpan(0, 7)));
        Assert.Equal(0xA5, answer[7]);
        Assert.Equal(0xF0, answer[7 + 40]); // 40 bytes a row
    }

    [Fact]
    public void A_picture_in_mode_17_is_a_block_of_palette_and_a_block_of_pixels()
    {
        byte[] pixels = new byte[320 * 240];
        (pixels[0], pixels[^1]) = (1, 0xFE);
        byte[] answer = Wire.Picture(new IndexedPicture(GraphicsMode.Vbxe256, pixels, [0, 0, 0, 0x11, 0x22, 0x33]));

        Assert.Equal(5 + 5 + 768 + 5 + 76_800, answer.Length);
        Assert.Equal("0104001102" + "0600030000" + "000000112233", Convert.ToHexStringLower(answer.AsSpan(0, 16)));
        Assert.All(answer[16..(10 + 768)], rest => Assert.Equal(0, rest));
        Assert.Equal("07002c0100" + "01", Convert.ToHexStringLower(answer.AsSpan(10 + 768, 6)));
        Assert.Equal(0xFE, answer[^1]);
    }

    [Fact]
    public void A_picture_in_mode_18_has_two_pixels_a_byte_and_a_whole_palette()
    {
        byte[] pixels = new byte[640 * 240];
        (pixels[0], pixels[1]) = (0xE, 0x3);
        byte[] answer = Wire.Picture(new IndexedPicture(GraphicsMode.Vbxe16, pixels, []));

        Assert.Equal(5 + 5 + 768 + 5 + 76_800, answer.Length);
        Assert.Equal("0104001202" + "0600030000", Convert.ToHexStringLower(answer.AsSpan(0, 10)));
        Assert.Equal("07002c0100" + "e3", Convert.ToHexStringLower(answer.AsSpan(10 + 768, 6)));
    }

    [Fact]
    public void An_error_is_one_block_of_type_255_in_mode_2_with_its_text_in_UTF_8()
        => Assert.Equal("0104000201ff05000000" + "4ec3a96f21", Convert.ToHexStringLower(Wire.Error("Néo!")));

    [Fact]
    public void A_message_is_a_line_that_begins_with_OK()
    {
        Assert.Equal("OK: ACK!\r\n", Encoding.ASCII.GetString(Wire.Message("ACK!")));
        Assert.Equal("OK: one line\r\n", Encoding.ASCII.GetString(Wire.Message("one\r\nline")));
    }

    [Fact]
    public void A_text_without_bound_is_cut_between_two_characters()
    {
        string text = string.Concat(Enumerable.Repeat("🎨", 10_000));
        string told = Encoding.UTF8.GetString(Wire.Error(text).AsSpan(10));
        Assert.InRange(Encoding.UTF8.GetByteCount(told), 500, Wire.MaxTextBytes);
        Assert.All(told.EnumerateRunes(), rune => Assert.Equal("🎨", rune.ToString()));
    }

    [Theory]
    [InlineData(GraphicsMode.Graphics8)]
    [InlineData(GraphicsMode.Graphics9)]
    [InlineData(GraphicsMode.Vbxe256)]
    [InlineData(GraphicsMode.Vbxe16)]
    public async Task What_is_written_is_read_again(GraphicsMode mode)
    {
        var format = ModeFormat.Of(mode);
        var random = new Random(7);
        byte[] pixels = Enumerable.Range(0, format.Width * format.Height).Select(_ => (byte)random.Next(format.Colors))
            .ToArray();
        byte[] palette = format.HasPalette
            ? Enumerable.Range(0, 768).Select(_ => (byte)random.Next(256)).ToArray() : [];
        byte[] answer = Wire.Picture(new IndexedPicture(mode, pixels, palette));

        using var stream = new MemoryStream(answer);
        var read = Assert.IsType<ReceivedAnswer.Picture>(
            await WireReader.ReadAsync(stream, TestContext.Current.CancellationToken));
        Assert.Equal(mode, read.Content.Mode);
        Assert.Equal(pixels, read.Content.Pixels);
        Assert.Equal(palette, read.Content.Palette);
        Assert.Equal(answer, read.Bytes.ToArray());
        Assert.Equal(stream.Length, stream.Position);
    }
}
