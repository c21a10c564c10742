namespace LocalBroker;

/// <summary>
/// A private node did not start, stop or answer <c>rabbitmqctl</c>; the message carries what it printed.
/// </summary>
public sealed class PrivateRabbitMqNodeException : Exception
{
    /// <summary>Creates the exception.</summary>
    public PrivateRabbitMqNodeException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
