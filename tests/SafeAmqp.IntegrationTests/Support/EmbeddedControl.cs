using LocalBroker;
using SafeAmqp.Testing;

namespace SafeAmqp.IntegrationTests.Support;

/// <summary>The embedded broker, controlled by its own methods.</summary>
public sealed class EmbeddedControl(AmqpTestBroker broker) : ControlledBroker
{
    /// <summary>The broker itself, for faults that no RabbitMQ makes on command.</summary>
    public AmqpTestBroker Embedded => broker;

    public override Uri Uri => broker.Uri;

    public override Task SaveQueuesAsync(CancellationToken cancellationToken = default) => Task.CompletedTask;

    public override Task KillAsync(CancellationToken cancellationToken = default)
        => broker.KillAsync(cancellationToken);

    public override Task StartAgainAsync(CancellationToken cancellationToken = default)
        => broker.StartAgainAsync(cancellationToken);

    public override Task StopAppAsync(CancellationToken cancellationToken = default)
        => broker.StopAsync(cancellationToken);

    public override Task StartAppAsync(CancellationToken cancellationToken = default)
        => broker.StartAgainAsync(cancellationToken);

    public override Task PauseAsync(CancellationToken cancellationToken = default) => broker.PauseAsync();

    public override Task ResumeAsync(CancellationToken cancellationToken = default) => broker.ResumeAsync();

    public override Task SetMemoryAlarmAsync(bool raised, CancellationToken cancellationToken = default)
        => SetAlarmAsync(raised, "low on memory");

    public override Task SetDiskAlarmAsync(bool raised, CancellationToken cancellationToken = default)
        => SetAlarmAsync(raised, "low on disk");

    public override Task<IReadOnlyList<BrokerConnection>> ListConnectionsAsync(
        CancellationToken cancellationToken = default)
        => broker.LookAsync<IReadOnlyList<BrokerConnection>>(view => [.. view.Connections.Select(connection
            => new BrokerConnection($"{connection.Number}", connection.UserName, connection.Name,
                connection.IsBlocked ? "blocked" : "running"))]);

    public override Task CloseConnectionAsync(
        BrokerConnection connection, string reason, CancellationToken cancellationToken = default)
        => broker.InjectAsync(FaultAction.CloseConnection(320, reason), connection.Name);

    public override Task CloseAllConnectionsAsync(string reason, CancellationToken cancellationToken = default)
        => broker.InjectAsync(FaultAction.CloseConnection(320, reason));

    public override Task<int> CountChannelsAsync(CancellationToken cancellationToken = default)
        => broker.LookAsync(view => view.ChannelCount);

    public override Task AddUserAsync(string user, string password, CancellationToken cancellationToken = default)
        => ThenAsync(() => broker.AddUser(user, password));

    public override Task ChangePasswordAsync(
        string user,
        string password,
        CancellationToken cancellationToken = default) => ThenAsync(() => broker.AddUser(user, password));

    public override Task DeleteUserAsync(string user, CancellationToken cancellationToken = default)
        => ThenAsync(() => broker.RemoveUser(user));

    public override Task SetPermissionsAsync(
        string user, string configure, string write, string read, CancellationToken cancellationToken = default)
        => ThenAsync(() => broker.SetPermissions(user, "/", configure, write, read));

    public override Task DeleteQueueAsync(string queue, CancellationToken cancellationToken = default)
        => ThenAsync(() => broker.DeleteQueue(queue));

    public override Task DeleteExchangeAsync(string exchange, CancellationToken cancellationToken = default)
        => ThenAsync(() => broker.DeleteExchange(exchange));

    public override Task<int> MessagesInAsync(string queue, CancellationToken cancellationToken = default)
        => broker.LookAsync(
            view => view.HasQueue(queue) ? view.ReadyCount(queue) + view.UnacknowledgedCount(queue) : -1);

    public override async Task<BrokerRecord> WatchAsync(CancellationToken cancellationToken = default)
        => new EmbeddedRecord(broker, await LastEventAsync(broker));

    public override ValueTask DisposeAsync() => broker.DisposeAsync();

    private Task SetAlarmAsync(bool raised, string reason)
        => ThenAsync(raised ? () => broker.Block(reason) : broker.Unblock);

    private async Task ThenAsync(Action command)
    {
        command();
        await DoneAsync();
    }

    /// <summary>Commands are done in their order, so this answer comes after the last one's effect.</summary>
    private Task<bool> DoneAsync() => broker.LookAsync(_ => true);

    private static Task<long> LastEventAsync(AmqpTestBroker broker)
        => broker.LookAsync(view => view.Events.LastOrDefault()?.Number ?? 0);

    /// <summary>What the broker saw from an event on.</summary>
    private sealed class EmbeddedRecord(AmqpTestBroker broker, long from) : BrokerRecord
    {
        private readonly long _from = from;
        private long _seen = from;

        public override async Task<IReadOnlyList<string>> ChannelErrorsAsync(
            CancellationToken cancellationToken = default)
        {
            IReadOnlyList<AmqpTestEvent> errors = await EventsAsync(_seen, e => e.Name == "channel.error");
            _seen = errors.Count > 0 ? errors[^1].Number : _seen;
            return Texts(errors);
        }

        public override async Task<IReadOnlyList<string>> ErrorsAsync(
            string connection, CancellationToken cancellationToken = default)
            => Texts(await EventsAsync(_from, e => e.ReplyCode != 0 && Is(e, connection)));

        public override async Task<int> RefusedLoginsAsync(CancellationToken cancellationToken = default)
            => (await EventsAsync(_from, e => e is { Name: "connection.error", ReplyCode: 403 })).Count;

        public override async Task<int> ConnectionsAsync(
            string connection, CancellationToken cancellationToken = default)
            => (await EventsAsync(_from, e => e.Name == "connection.open" && Is(e, connection))).Count;

        public override async Task<int> EndedAsync(string connection, CancellationToken cancellationToken = default)
            => (await EventsAsync(_from, e => e.Name == "connection.closed" && Is(e, connection))).Count;

        private Task<IReadOnlyList<AmqpTestEvent>> EventsAsync(long after, Func<AmqpTestEvent, bool> which)
            => broker.LookAsync<IReadOnlyList<AmqpTestEvent>>(
                view => [.. view.Events.Where(e => e.Number > after && which(e))]);

        private static bool Is(AmqpTestEvent e, string connection)
            => e.Connection.StartsWith(connection, StringComparison.Ordinal);

        private static IReadOnlyList<string> Texts(IEnumerable<AmqpTestEvent> errors)
            => [.. errors.Select(e => $"{e.Connection}: {e.ReplyCode} {e.ReplyText}")];
    }
}
