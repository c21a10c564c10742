using SkiaSharp;

namespace ImageServer.Server.Video;

/// <summary>Where the frames of <c>video</c> come from. Called from several threads at once.</summary>
internal interface IFrameSource
{
    /// <summary>The frame of this moment; the caller disposes of it.</summary>
    SKBitmap Frame();
}
