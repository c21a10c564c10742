namespace SafeAmqp.Transport;

/// <summary>The bounds of one link's stream.</summary>
internal sealed record LinkStreamOptions
{
    /// <summary>The largest frame accepted, with its 8 bytes of framing. What was asked for is right here as well as what
    /// was negotiated: the peer may only lower it.</summary>
    /// <value>131,072 bytes, the broker's own default.</value>
    public int MaxFrameSize { get; init; } = 128 * 1024;

    /// <summary>The largest message body accepted, in bytes.</summary>
    /// <value>16 MiB, the largest message that every supported broker takes by default.</value>
    public long MaxInboundBodySize { get; init; } = 16L * 1024 * 1024;

    /// <summary>How many bytes may be copied and not yet sent before a writer has to wait.</summary>
    /// <value>1 MiB: 16 full TCP windows of 64 KiB, so the socket never runs dry, and little enough to drain on dispose.</value>
    public int MaxBufferedBytes { get; init; } = 1024 * 1024;

    /// <summary>How long dispose goes on sending what is buffered before it closes the socket all the same.</summary>
    /// <value>1 second.</value>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The clock.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    public void Validate()
    {
        // 4,096 is the protocol's frame-min-size: each peer must accept frames of that size.
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxFrameSize, 4096);
        ArgumentOutOfRangeException.ThrowIfNegative(MaxInboundBodySize);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxBufferedBytes, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(DrainTimeout, TimeSpan.Zero);
    }
}
