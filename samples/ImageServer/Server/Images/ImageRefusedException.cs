namespace ImageServer.Server.Images;

/// <summary>These bytes are not shown: no picture, or one that is too large. The message is for the client.</summary>
internal sealed class ImageRefusedException(string message) : Exception(message);
