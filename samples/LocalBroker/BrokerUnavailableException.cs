namespace LocalBroker;

/// <summary>No RabbitMQ broker can be had here; the message is one sentence that says how to get one.</summary>
public sealed class BrokerUnavailableException : Exception
{
    /// <summary>Creates the exception.</summary>
    public BrokerUnavailableException(string message, string? variable = null, Exception? innerException = null)
        : base(message, innerException) => Variable = variable;

    /// <summary>
    /// The environment variable that names a broker which does not answer; null when no broker was named at all. Tests
    /// may skip in the second case at a desk, but never in the first: somebody asked for that broker.
    /// </summary>
    public string? Variable { get; }
}
