namespace SafeAmqp.Actor;

/// <summary>The link's states and the moves between them, as one table.</summary>
internal static class Lifecycle
{
    /// <summary>Whether a link may go from one state to another.</summary>
    internal static bool Allows(AmqpLinkState from, AmqpLinkState to) => (from, to) switch
    {
        (AmqpLinkState.Closed, _) => false, // for good
        (_, AmqpLinkState.Closed) => true,
        (AmqpLinkState.Closing, _) => false, // closing leads only to closed: a link lost meanwhile is closed, not recovered
        (_, AmqpLinkState.Closing) => true,
        (AmqpLinkState.Idle, AmqpLinkState.Connecting) => true,
        (AmqpLinkState.Connecting, AmqpLinkState.Preparing or AmqpLinkState.Waiting) => true,
        (AmqpLinkState.Preparing, AmqpLinkState.Open or AmqpLinkState.Waiting) => true,
        (AmqpLinkState.Open, AmqpLinkState.Waiting) => true,
        (AmqpLinkState.Waiting, AmqpLinkState.Connecting) => true,
        _ => false,
    };
}
