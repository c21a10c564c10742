using FederatedLearning.Status;

namespace FederatedLearning.Protocol;

/// <summary>Counts what goes over one protocol. Handlers count; the core shows it. From any thread.</summary>
public sealed class ProtocolTraffic
{
    private long _messagesIn, _bytesIn, _messagesOut, _bytesOut, _reconnects;
    private Func<long>? _countReconnects;

    /// <summary>The counts now.</summary>
    public TrafficCounts Counts => new(
        Volatile.Read(ref _messagesIn),
        Volatile.Read(ref _bytesIn),
        Volatile.Read(ref _messagesOut),
        Volatile.Read(ref _bytesOut),
        Volatile.Read(ref _reconnects) + (_countReconnects?.Invoke() ?? 0));

    /// <summary>A message came from a client, whatever becomes of it.</summary>
    /// <param name="bytes">The length of its body.</param>
    public void Received(long bytes)
    {
        Interlocked.Increment(ref _messagesIn);
        Interlocked.Add(ref _bytesIn, bytes);
    }

    /// <summary>A message was sent; one that goes to several clients in one piece is one message.</summary>
    /// <param name="bytes">The length of its body.</param>
    public void Sent(long bytes)
    {
        Interlocked.Increment(ref _messagesOut);
        Interlocked.Add(ref _bytesOut, bytes);
    }

    /// <summary>The handler's connection came back, or a client came back over a new one.</summary>
    public void Reconnected() => Interlocked.Increment(ref _reconnects);

    /// <summary>
    /// For a handler whose connections are counted elsewhere: how often they came back is read there.
    /// </summary>
    public void CountReconnectsBy(Func<long> count) => _countReconnects = count;
}
