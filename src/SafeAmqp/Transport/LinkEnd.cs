namespace SafeAmqp.Transport;

/// <summary>How a link's stream came to its end. The first end wins; later ones change nothing.</summary>
internal enum LinkEnd
{
    /// <summary>The stream is in use.</summary>
    None,

    /// <summary>The peer closed its side in an orderly way. There is no reason to report.</summary>
    PeerClosed,

    /// <summary>We disposed of the stream. There is no reason to report.</summary>
    Disposed,

    /// <summary>We gave the link up, with a reason: a silent peer, a deadline, a failed connect.</summary>
    Abandoned,

    /// <summary>The socket or TLS failed, or the guard refused what the peer sent.</summary>
    Failed,
}
