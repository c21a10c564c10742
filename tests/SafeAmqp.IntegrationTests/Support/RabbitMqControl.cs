using System.Globalization;
using LocalBroker;

namespace SafeAmqp.IntegrationTests.Support;

/// <summary>
/// A RabbitMQ node, controlled by signals and by what <c>rabbitmqctl</c> would call, which takes half a second less
/// each time.
/// </summary>
public sealed class RabbitMqControl(PrivateRabbitMqNode node, bool owned) : ControlledBroker
{
    /// <summary>In whose name the node's log says that it was done.</summary>
    private const string Operator = "<<\"test\">>";

    public PrivateRabbitMqNode Node => node;

    public override Uri Uri => node.Uri;

    public override Task SaveQueuesAsync(CancellationToken cancellationToken = default)
        => node.EvaluateAsync("ok = mnesia:sync_log(), ok = dets:sync(ra_directory_reverse), []", cancellationToken);

    public override Task KillAsync(CancellationToken cancellationToken = default) => node.KillAsync(cancellationToken);

    public override Task StartAgainAsync(CancellationToken cancellationToken = default)
        => node.StartAgainAsync(cancellationToken);

    public override Task StopAppAsync(CancellationToken cancellationToken = default)
        => node.StopAppAsync(cancellationToken);

    public override Task StartAppAsync(CancellationToken cancellationToken = default)
        => node.StartAppAsync(cancellationToken);

    public override async Task PauseAsync(CancellationToken cancellationToken = default)
    {
        await node.PauseAsync(cancellationToken);
        // A signal is delivered when each thread gets to it: on a busy machine the broker may answer once more.
        while (!IsStopped())
            await Task.Delay(10, cancellationToken);
    }

    public override Task ResumeAsync(CancellationToken cancellationToken = default)
        => node.ResumeAsync(cancellationToken);

    public override Task SetMemoryAlarmAsync(bool raised, CancellationToken cancellationToken = default)
        => node.SetMemoryAlarmAsync(raised, cancellationToken);

    public override Task SetDiskAlarmAsync(bool raised, CancellationToken cancellationToken = default)
        => node.EvaluateAsync(
            $"ok = rabbit_disk_monitor:set_disk_free_limit(\"{(raised ? "100000GB" : "50MB")}\"), []",
            cancellationToken);

    public override Task<IReadOnlyList<BrokerConnection>> ListConnectionsAsync(
        CancellationToken cancellationToken = default) => node.ListConnectionsAsync(cancellationToken);

    public override Task CloseConnectionAsync(
        BrokerConnection connection, string reason, CancellationToken cancellationToken = default)
        => node.CloseConnectionAsync(connection.Pid, reason, cancellationToken);

    public override Task CloseAllConnectionsAsync(string reason, CancellationToken cancellationToken = default)
        => node.CloseAllConnectionsAsync(reason, cancellationToken);

    public override async Task<int> CountChannelsAsync(CancellationToken cancellationToken = default)
        => Number(await node.EvaluateAsync("integer_to_list(length(rabbit_channel:list()))", cancellationToken));

    public override Task AddUserAsync(string user, string password, CancellationToken cancellationToken = default)
        => node.EvaluateAsync(
            $"ok = rabbit_auth_backend_internal:add_user({Text(user)}, {Text(password)}, {Operator}), []",
            cancellationToken);

    public override Task ChangePasswordAsync(
        string user, string password, CancellationToken cancellationToken = default)
        => node.EvaluateAsync(
            $"ok = rabbit_auth_backend_internal:change_password({Text(user)}, {Text(password)}, {Operator}), []",
            cancellationToken);

    public override Task DeleteUserAsync(string user, CancellationToken cancellationToken = default)
        => node.EvaluateAsync(
            $"ok = rabbit_auth_backend_internal:delete_user({Text(user)}, {Operator}), []", cancellationToken);

    public override Task SetPermissionsAsync(
        string user, string configure, string write, string read, CancellationToken cancellationToken = default)
        => node.EvaluateAsync($"ok = rabbit_auth_backend_internal:set_permissions({Text(user)}, "
            + $"<<\"/\">>, {Text(configure)}, {Text(write)}, {Text(read)}, {Operator}), []", cancellationToken);

    public override Task DeleteQueueAsync(string queue, CancellationToken cancellationToken = default)
        => node.EvaluateAsync($"{{ok, Q}} = rabbit_amqqueue:lookup({Resource("queue", queue)}), {{ok, _}} "
            + $"= rabbit_amqqueue:delete(Q, false, false, {Operator}), []", cancellationToken);

    public override Task DeleteExchangeAsync(string exchange, CancellationToken cancellationToken = default)
        => node.EvaluateAsync(
            $"ok = rabbit_exchange:delete({Resource("exchange", exchange)}, false, {Operator}), []", cancellationToken);

    // A queue whose process is gone, and not yet back, is none for now.
    public override async Task<int> MessagesInAsync(string queue, CancellationToken cancellationToken = default)
        => Number(await node.EvaluateAsync($$$"""
            try {ok, Q} = rabbit_amqqueue:lookup({{{Resource("queue", queue)}}}),
                [{messages, N}] = rabbit_amqqueue:info(Q, [messages]), integer_to_list(N)
            catch error:{badmatch, {error, not_found}} -> "-1"; exit:_ -> "-1" end
            """, cancellationToken));

    public override async Task<BrokerRecord> WatchAsync(CancellationToken cancellationToken = default)
        => await RabbitMqRecord.BeginAsync(node, cancellationToken);

    public override ValueTask DisposeAsync() => owned ? node.DisposeAsync() : ValueTask.CompletedTask;

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private static string Text(string text) => PrivateRabbitMqNode.Binary(text);

    private static string Resource(string kind, string name) => $"rabbit_misc:r(<<\"/\">>, {kind}, {Text(name)})";

    private bool IsStopped()
    {
        string file = Path.Combine(node.Folder, "beam.pid");
        if (!OperatingSystem.IsLinux() || !File.Exists(file))
            return true;
        string pid = File.ReadAllText(file).Trim();
        return Directory.EnumerateDirectories($"/proc/{pid}/task")
            .All(thread => File.ReadAllText(Path.Combine(thread, "stat")).Split(") ")[^1].StartsWith('T'));
    }

    /// <summary>The node's log from a point on.</summary>
    private sealed class RabbitMqRecord : BrokerRecord
    {
        private readonly PrivateRabbitMqNode _node;
        private readonly string _file;
        private readonly long _from;
        private int _seen;

        private RabbitMqRecord(PrivateRabbitMqNode node)
        {
            _node = node;
            _file = Path.Combine(node.Folder, "log", $"{node.Name}.log");
            _from = new FileInfo(_file).Length;
        }

        public static async Task<RabbitMqRecord> BeginAsync(
            PrivateRabbitMqNode node, CancellationToken cancellationToken)
        {
            var record = new RabbitMqRecord(node);
            await record.ChannelErrorsAsync(cancellationToken);
            return record;
        }

        /// <summary>
        /// Waits for an error of our own to appear, so that an empty answer means that there was none, and that this
        /// object would have seen one.
        /// </summary>
        public override async Task<IReadOnlyList<string>> ChannelErrorsAsync(
            CancellationToken cancellationToken = default)
        {
            string mark = $"mark.{Guid.NewGuid():N}";
            await using (Witness witness = await Witness.ConnectAsync(_node.Uri.ToString(), cancellationToken))
                await witness.LeaveMarkAsync(mark);
            while (true)
            {
                List<string> lines = [.. Lines()];
                int end = lines.FindIndex(line => line.Contains(mark, StringComparison.Ordinal));
                if (end >= 0)
                {
                    List<string> errors = lines.GetRange(_seen, end - _seen)
                        .FindAll(line => line.Contains("caused a channel exception", StringComparison.Ordinal));
                    _seen = end + 1;
                    return errors;
                }
                await Task.Delay(20, cancellationToken);
            }
        }

        public override Task<IReadOnlyList<string>> ErrorsAsync(
            string connection, CancellationToken cancellationToken = default)
            => Task.FromResult<IReadOnlyList<string>>(
                [.. With(connection).Where(line => line.Contains("[error]", StringComparison.Ordinal))]);

        public override Task<int> RefusedLoginsAsync(CancellationToken cancellationToken = default)
            => Task.FromResult(With("login refused").Count());

        public override Task<int> ConnectionsAsync(string connection, CancellationToken cancellationToken = default)
            => Task.FromResult(
                With(connection).Count(line => line.Contains("has a client-provided name", StringComparison.Ordinal)));

        public override Task<int> EndedAsync(string connection, CancellationToken cancellationToken = default)
            => Task.FromResult(With(connection).Count(line => line.Contains("closing", StringComparison.Ordinal)));

        private IEnumerable<string> With(string text)
            => Lines().Where(line => line.Contains(text, StringComparison.Ordinal));

        private IEnumerable<string> Lines()
        {
            using var stream = new FileStream(
                _file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            stream.Position = _from;
            using var reader = new StreamReader(stream);
            while (reader.ReadLine() is { } line)
                yield return line;
        }
    }
}
