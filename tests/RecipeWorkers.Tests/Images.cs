namespace RecipeWorkers.Tests;

/// <summary>The smallest bytes that begin as each format does.</summary>
internal static class Images
{
    public static readonly byte[] Png =
        [0x89, (byte)'P', (byte)'N', (byte)'G', 13, 10, 26, 10, 0, 0, 0, 13, (byte)'I', (byte)'H', (byte)'D', (byte)'R',
            0, 0, 0, 64, 0, 0, 0, 48, 8, 2, 0, 0, 0];

    public static readonly byte[] Gif = [.. "GIF89a"u8, 64, 0, 48, 0, 0, 0, 0];

    // An APP0 segment in front of the frame header, as cameras write it.
    public static readonly byte[] Jpeg = [
        0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 1, 2, 0xFF, 0xC0, 0, 17, 8, 0, 48, 0, 64, 3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1];

    public static readonly byte[] WebPExtended = [
        .. "RIFF"u8, 22, 0, 0, 0, .. "WEBPVP8X"u8, 10, 0, 0, 0, 0, 0, 0, 0, 63, 0, 0, 47, 0, 0];

    public static readonly byte[] WebPLossless = [
        .. "RIFF"u8, 22, 0, 0, 0, .. "WEBPVP8L"u8, 10, 0, 0, 0, 0x2F, 63, 0xC0, 11, 0, 0, 0, 0, 0, 0];

    public static readonly byte[] WebPLossy = [
        .. "RIFF"u8, 22, 0, 0, 0, .. "WEBPVP8 "u8, 10, 0, 0, 0, 0, 0, 0, 0x9D, 1, 0x2A, 64, 0, 48, 0];
}
