namespace SafeAmqp.Hosting;

/// <summary>How the host connects a client.</summary>
/// <param name="Start">Starts connecting and returns at once.</param>
/// <param name="OpenAsync">Waits until every link is open.</param>
internal sealed record ClientConnection(Action<IAmqpClient> Start, Func<IAmqpClient, CancellationToken, ValueTask> OpenAsync)
{
    /// <summary>A client of another class (a decorator, a test's fake) connects as it likes and counts as open.</summary>
    internal static readonly ClientConnection Default = new(
        client => (client as AmqpClient)?.Start(),
        (client, cancellationToken) => client is AmqpClient own ? own.OpenAsync(cancellationToken) : ValueTask.CompletedTask);
}
