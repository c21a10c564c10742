namespace SafeAmqp.Benchmarks;

/// <summary>One way to publish a confirmed message, shared by any number of callers.</summary>
internal abstract class Contender : IAsyncDisposable
{
    /// <summary>The exchange has no bindings, so that the client is what is measured.</summary>
    internal const string Exchange = "safeamqp.benchmark";

    internal const int BodySize = 256;

    protected static readonly byte[] Body = new byte[BodySize];

    internal abstract string Name { get; }

    /// <summary>How many callers it can serve.</summary>
    internal virtual int MaxCallers => int.MaxValue;

    internal abstract Task ConnectAsync(Uri broker, int callers);

    /// <summary>Publishes and waits for the broker's confirm.</summary>
    internal abstract ValueTask PublishAsync(int caller);

    public abstract ValueTask DisposeAsync();
}
