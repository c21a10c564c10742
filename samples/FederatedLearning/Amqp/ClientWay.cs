namespace FederatedLearning.Amqp;

/// <summary>How a client takes part.</summary>
public enum ClientWay
{
    /// <summary>
    /// Registers through <c>fl_client_updates</c> and hears the broadcasts on <c>fl_broadcast</c>, as with the
    /// single-protocol server.
    /// </summary>
    Broadcast,

    /// <summary>
    /// Registers on <c>fl_client_register</c> and has queues of its own in both directions, as with the unified server.
    /// </summary>
    Unified,
}
