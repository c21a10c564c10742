namespace FederatedLearning.Mqtt;

/// <summary>The handler's broker: its own, within the process, or another that it is a client of.</summary>
internal interface IMqttBroker : IAsyncDisposable
{
    /// <summary>
    /// Takes what a client sent; it is acknowledged when the task ends. Whether the client was allowed to send it.
    /// </summary>
    Func<MqttReceived, ValueTask<bool>> Received { get; set; }

    /// <summary>A connection is gone; its name. Only the server's own broker tells.</summary>
    Func<string, ValueTask> Gone { get; set; }

    /// <summary>The broker refuses this server for good.</summary>
    Func<Exception, Task> Failed { get; set; }

    /// <summary>Begins; returns when the own broker listens, or when another is being tried.</summary>
    /// <exception cref="InvalidOperationException">It cannot listen.</exception>
    Task StartAsync(CancellationToken cancellationToken);

    /// <summary>Sends a message; ends when the broker has it. Waits for a broker that is away.</summary>
    Task PublishAsync(string topic, ReadOnlyMemory<byte> body, CancellationToken cancellationToken);

    /// <summary>Nothing more comes in.</summary>
    void StopReceiving();

    /// <summary>Ends when clients have what was sent to them, as far as the broker is the server's own.</summary>
    Task DrainAsync(CancellationToken cancellationToken);

    /// <summary>Ends a client's connection, where that can be done.</summary>
    /// <param name="connection">Its name; null where it is not known.</param>
    /// <param name="reason">In words.</param>
    Task DisconnectAsync(string? connection, string reason);

    /// <summary>How often the server's connection came back.</summary>
    long Reconnects { get; }
}

/// <summary>What came from a client.</summary>
/// <param name="Topic">The topic.</param>
/// <param name="Body">The body.</param>
/// <param name="Connection">The name of the connection that it came over; null where the broker does not tell.</param>
internal readonly record struct MqttReceived(string Topic, ReadOnlyMemory<byte> Body, string? Connection);
