namespace RecipeWorkers;

/// <summary>
/// The message is not JSON, or no object: nothing can be answered, and sending it again does not help.
/// The queue side rejects it without requeue.
/// </summary>
public sealed class UnparsableRequestException(string message, Exception? innerException = null)
    : Exception(message, innerException);
