using FederatedLearning.Messages;
using SafeAmqp;

namespace FederatedLearning.Amqp;

/// <summary>Every exchange, queue and key, as the peers know them.</summary>
internal sealed class AmqpNames(AmqpSettings settings)
{
    public const string RegisterKey = "client.register";
    public const string UpdateKey = "client.update";
    public const string MetricsKey = "client.metrics";

    // What the server may have for one client; each has a queue.
    private static readonly string[] TypesForOneClient =
        ["training_config", "global_model", "start_training", "start_evaluation", "training_complete",
            "rejected", "error", "server_started"];

    /// <summary>From the server to all (fanout).</summary>
    public string Broadcast { get; } = settings.NamePrefix + "fl_broadcast";

    /// <summary>
    /// That the server has started, to all that have queues of their own: it does not know them yet (fanout).
    /// </summary>
    public string Started { get; } = settings.NamePrefix + "fl_server_started";

    /// <summary>From clients to the server (direct).</summary>
    public string ClientUpdates { get; } = settings.NamePrefix + "fl_client_updates";

    public string RegisterQueue { get; } = settings.NamePrefix + "fl.client.register";

    public string UpdateQueue { get; } = settings.NamePrefix + "fl.client.update";

    public string MetricsQueue { get; } = settings.NamePrefix + "fl.client.metrics";

    /// <summary>Where clients register that are served by queues of their own.</summary>
    public string UnifiedRegisterQueue { get; } = settings.NamePrefix + "fl_client_register";

    public string UpdatesOf(ClientId client) => $"{settings.NamePrefix}client_{client}_updates";

    public string MetricsOf(ClientId client) => $"{settings.NamePrefix}client_{client}_metrics";

    /// <summary>The queue for one kind of message to one client.</summary>
    public string To(ClientId client, string messageType) => $"{settings.NamePrefix}client_{client}_{messageType}";

    /// <summary>Every queue from the server to one client.</summary>
    public IEnumerable<string> AllTo(ClientId client) => TypesForOneClient.Select(type => To(client, type));

    /// <summary>
    /// A client's own queue on the broadcast exchange: what it is called is the client's affair. It outlives a lost
    /// connection.
    /// </summary>
    public string BroadcastQueueOf(ClientId client) => $"{settings.NamePrefix}fl.client.{client}.broadcast";

    public static string UpdateKeyOf(ClientId client) => $"client_{client}_update";

    public static string MetricsKeyOf(ClientId client) => $"client_{client}_metrics";

    /// <summary>
    /// What the server has, and what a client declares as well, so that its messages wait for a server that is not
    /// there yet.
    /// </summary>
    public AmqpTopology Shared() => new AmqpTopology()
        .Exchange(Broadcast, AmqpExchangeType.Fanout)
        .Exchange(Started, AmqpExchangeType.Fanout)
        .Exchange(ClientUpdates, AmqpExchangeType.Direct)
        .With(Queue(RegisterQueue)).Bind(ClientUpdates, RegisterKey).ToQueue(RegisterQueue)
        .With(Queue(UpdateQueue)).Bind(ClientUpdates, UpdateKey).ToQueue(UpdateQueue)
        .With(Queue(MetricsQueue)).Bind(ClientUpdates, MetricsKey).ToQueue(MetricsQueue)
        .With(Queue(UnifiedRegisterQueue));

    /// <summary>
    /// The queues of a client that registers on <see cref="UnifiedRegisterQueue"/>, in both directions.
    /// </summary>
    public AmqpTopology Unified(ClientId client) => AllTo(client)
        .Aggregate(new AmqpTopology(), (topology, queue) => topology.With(Queue(queue)))
        .Exchange(Started, AmqpExchangeType.Fanout)
        .Bind(Started).ToQueue(To(client, "server_started"))
        .Exchange(ClientUpdates, AmqpExchangeType.Direct)
        .With(Queue(UpdatesOf(client))).Bind(ClientUpdates, UpdateKeyOf(client)).ToQueue(UpdatesOf(client))
        .With(Queue(MetricsOf(client))).Bind(ClientUpdates, MetricsKeyOf(client)).ToQueue(MetricsOf(client));

    /// <summary>
    /// The queue of a client that is served by broadcast. It goes when its client has been away for a quarter of an
    /// hour.
    /// </summary>
    public AmqpTopology OnBroadcast(ClientId client) => new AmqpTopology()
        .Exchange(Broadcast, AmqpExchangeType.Fanout)
        .With(new AmqpQueue
        {
            Name = BroadcastQueueOf(client),
            Expires = settings.QueueExpiry ?? TimeSpan.FromMinutes(15)
        })
        .Bind(Broadcast).ToQueue(BroadcastQueueOf(client));

    private AmqpQueue Queue(string name) => new() { Name = name, Expires = settings.QueueExpiry };
}
