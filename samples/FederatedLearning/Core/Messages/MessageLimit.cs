namespace FederatedLearning.Messages;

/// <summary>The one bound on the size of a message, over every protocol and in either direction.</summary>
/// <remarks>
/// Weights travel as base64, so a message of 128 MiB has room for 96 MiB of them, less the small fields beside them.
/// What a protocol puts around a message (an envelope, a topic, a line's end) is not counted: a protocol's own limit is
/// this one plus <see cref="Overhead"/>.
/// </remarks>
public static class MessageLimit
{
    /// <summary>The most bytes that a message may have: 128 MiB.</summary>
    public const int Bytes = 128 << 20;

    /// <summary>The most bytes that a protocol may put around a message: 64 KiB.</summary>
    public const int Overhead = 64 << 10;

    /// <summary>The most bytes of weights, before they are base64.</summary>
    public const int WeightBytes = Bytes / 4 * 3;

    /// <summary>Refuses a message that is too large, before anything is sent or read of it.</summary>
    /// <param name="length">The message's length in bytes.</param>
    /// <param name="client">The client that it comes from, where that is known.</param>
    /// <exception cref="MessageRefusedException">It has more than <see cref="Bytes"/>.</exception>
    public static void Check(long length, ClientId? client = null)
    {
        if (length > Bytes)
            throw new MessageRefusedException($"the message has {length} bytes; at most {Bytes} may be sent", client);
    }
}
