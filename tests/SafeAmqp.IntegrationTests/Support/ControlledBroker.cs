using LocalBroker;

namespace SafeAmqp.IntegrationTests.Support;

/// <summary>
/// The broker under a test's control: what can be done to it from outside, in terms that a RabbitMQ node and the
/// embedded broker share. The suite runs against either (<see cref="ChosenBroker.Variable"/>).
/// </summary>
public abstract class ControlledBroker : IAsyncDisposable
{
    public abstract Uri Uri { get; }

    public int Port => Uri.Port;

    /// <summary>
    /// Has it save which queues it has, which RabbitMQ does a moment later: the names of quorum queues half a second
    /// after the last change. After a crash before that it begins them anew, as empty ones that answer nothing.
    /// </summary>
    public abstract Task SaveQueuesAsync(CancellationToken cancellationToken = default);

    /// <summary>Ends it at once, as a crash does.</summary>
    public abstract Task KillAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// Starts it after <see cref="KillAsync"/> on the same port, with what was durable; on a broker that runs it does
    /// nothing.
    /// </summary>
    public abstract Task StartAgainAsync(CancellationToken cancellationToken = default);

    /// <summary>Stops it in good order: connections are closed with 320, the port refuses.</summary>
    public abstract Task StopAppAsync(CancellationToken cancellationToken = default);

    /// <summary>Starts it after <see cref="StopAppAsync"/>.</summary>
    public abstract Task StartAppAsync(CancellationToken cancellationToken = default);

    /// <summary>Freezes it: connections stay open, nothing is answered. It is frozen when this ends.</summary>
    public abstract Task PauseAsync(CancellationToken cancellationToken = default);

    public abstract Task ResumeAsync(CancellationToken cancellationToken = default);

    /// <summary>Raises or clears the memory alarm.</summary>
    public abstract Task SetMemoryAlarmAsync(bool raised, CancellationToken cancellationToken = default);

    /// <summary>Raises or clears the disk alarm.</summary>
    public abstract Task SetDiskAlarmAsync(bool raised, CancellationToken cancellationToken = default);

    public abstract Task<IReadOnlyList<BrokerConnection>> ListConnectionsAsync(
        CancellationToken cancellationToken = default);

    /// <summary>Closes one connection with 320 and the reason.</summary>
    public abstract Task CloseConnectionAsync(
        BrokerConnection connection, string reason, CancellationToken cancellationToken = default);

    public abstract Task CloseAllConnectionsAsync(string reason, CancellationToken cancellationToken = default);

    public abstract Task<int> CountChannelsAsync(CancellationToken cancellationToken = default);

    public abstract Task AddUserAsync(string user, string password, CancellationToken cancellationToken = default);

    public abstract Task ChangePasswordAsync(
        string user, string password, CancellationToken cancellationToken = default);

    /// <summary>Removes a user and closes its connections.</summary>
    public abstract Task DeleteUserAsync(string user, CancellationToken cancellationToken = default);

    public abstract Task SetPermissionsAsync(
        string user, string configure, string write, string read, CancellationToken cancellationToken = default);

    public abstract Task DeleteQueueAsync(string queue, CancellationToken cancellationToken = default);

    public abstract Task DeleteExchangeAsync(string exchange, CancellationToken cancellationToken = default);

    /// <summary>
    /// How many messages a queue holds, those that consumers have included; -1 when there is no such queue.
    /// </summary>
    public abstract Task<int> MessagesInAsync(string queue, CancellationToken cancellationToken = default);

    /// <summary>Begins to watch what the broker records; what happened before does not count.</summary>
    public abstract Task<BrokerRecord> WatchAsync(CancellationToken cancellationToken = default);

    public abstract ValueTask DisposeAsync();
}

/// <summary>
/// What the broker itself says of its clients: it alone knows that one of them did wrong.
/// </summary>
public abstract class BrokerRecord
{
    /// <summary>The errors over which the broker closed a channel since the last call; all of them up to now.</summary>
    public abstract Task<IReadOnlyList<string>> ChannelErrorsAsync(CancellationToken cancellationToken = default);

    /// <summary>The errors of connections whose names begin like this.</summary>
    public abstract Task<IReadOnlyList<string>> ErrorsAsync(
        string connection, CancellationToken cancellationToken = default);

    /// <summary>How many logins were refused.</summary>
    public abstract Task<int> RefusedLoginsAsync(CancellationToken cancellationToken = default);

    /// <summary>How many connections came whose names begin like this.</summary>
    public abstract Task<int> ConnectionsAsync(string connection, CancellationToken cancellationToken = default);

    /// <summary>How many of those connections have ended, in whatever way.</summary>
    public abstract Task<int> EndedAsync(string connection, CancellationToken cancellationToken = default);
}
