namespace ImageWorkers.Painting;

/// <summary>Draws what a prompt says. Register another one, and <c>--gen-model</c> of the server names it.</summary>
public interface IImageModel
{
    /// <summary>The name that <c>--gen-model</c> has.</summary>
    string Name { get; }

    /// <summary>Draws. The same prompt and seed give the same picture.</summary>
    /// <param name="prompt">What the picture shows.</param>
    /// <param name="seed">Which of its pictures.</param>
    /// <param name="unwanted">Fires when no client waits for it any more.</param>
    /// <returns>The picture as PNG, JPEG, GIF or WebP.</returns>
    Task<ReadOnlyMemory<byte>> DrawAsync(string prompt, int seed, CancellationToken unwanted);
}
