using SafeAmqp.Testing.Queues;
using SafeAmqp.Testing.Routing;

namespace SafeAmqp.Testing;

/// <summary>
/// The broker's state, while it stands still: given to a function that runs inside the broker
/// (<see cref="AmqpTestBroker.LookAsync"/>, <see cref="AmqpTestBroker.WaitUntilAsync"/>), and of no use outside it.
/// </summary>
public sealed class AmqpBrokerView
{
    private readonly BrokerState _broker;

    internal AmqpBrokerView(BrokerState broker) => _broker = broker;

    /// <summary>
    /// What the broker saw, oldest first; as much as <see cref="AmqpTestBrokerOptions.HistoryCapacity"/> keeps.
    /// </summary>
    public IEnumerable<AmqpTestEvent> Events => _broker.History.Events;

    /// <summary>The open connections, in the order in which they came.</summary>
    public IReadOnlyList<AmqpTestConnection> Connections => [
        .. _broker.Connections.Where(connection => connection.IsOpen)
            .Select(connection => new AmqpTestConnection(connection))];

    /// <summary>
    /// Every error over which the broker closed a connection or a channel: for a test whose client should never have
    /// made one.
    /// </summary>
    public IReadOnlyList<AmqpTestEvent> Errors => [.. _broker.History.Errors];

    /// <summary>How many channels are open on all connections.</summary>
    public int ChannelCount => _broker.Connections.Sum(connection => connection.Channels.Count());

    /// <summary>Whether a user has permissions in a virtual host, whatever they are.</summary>
    public bool MayEnter(string user, string virtualHost = "/")
        => _broker.Users.Find(user)?.MayEnter(virtualHost) ?? false;

    /// <summary>The names of a virtual host's queues.</summary>
    public IReadOnlyList<string> Queues(string virtualHost = "/") => [.. Host(virtualHost).Queues.Keys];

    /// <summary>The names of a virtual host's exchanges.</summary>
    public IReadOnlyList<string> Exchanges(string virtualHost = "/") => [.. Host(virtualHost).Exchanges.Keys];

    /// <summary>Whether there is such a queue.</summary>
    public bool HasQueue(string name, string virtualHost = "/") => Host(virtualHost).Queues.ContainsKey(name);

    /// <summary>How many messages wait in a queue; 0 when there is no such queue.</summary>
    public int ReadyCount(string queue, string virtualHost = "/") => Find(queue, virtualHost)?.ReadyCount ?? 0;

    /// <summary>How many messages of a queue are out with consumers; 0 when there is no such queue.</summary>
    public int UnacknowledgedCount(string queue, string virtualHost = "/")
        => Find(queue, virtualHost)?.Unacked.Count ?? 0;

    /// <summary>How many consumers a queue has; 0 when there is no such queue.</summary>
    public int ConsumerCount(string queue, string virtualHost = "/") => Find(queue, virtualHost)?.Consumers.Count ?? 0;

    /// <summary>What is in a queue: those that wait, in order, then those that are out with consumers.</summary>
    public IReadOnlyList<AmqpTestMessage> Messages(string queue, string virtualHost = "/") => Find(
        queue, virtualHost) is not { } found
        ? []
        : [.. found.Ready.Select(entry => new AmqpTestMessage(entry.Message, entry.Redelivered)),
            .. found.Unacked.OrderBy(entry => entry.Position)
                .Select(entry => new AmqpTestMessage(entry.Message, entry.Redelivered, unacknowledged: true))];

    /// <summary>
    /// The messages that arrived, oldest first, filtered by where they came from and went to; null is anywhere.
    /// </summary>
    public IReadOnlyList<AmqpTestMessage> Published(
        string? connection = null, int? channel = null, string? queue = null) =>
        [.. Events.Where(e => e.Message is not null && (connection is null || e.Connection == connection)
            && (channel is null || e.Channel == channel)
            && (queue is null || e.Queues.Contains(queue))).Select(e => e.Message!)];

    private BrokerQueue? Find(string queue, string virtualHost) => Host(virtualHost).Queues.GetValueOrDefault(queue);

    private VirtualHost Host(string name) => _broker.VirtualHosts.TryGetValue(name, out VirtualHost? host)
        ? host
        : throw new ArgumentException($"No virtual host '{name}'.", nameof(name));
}
