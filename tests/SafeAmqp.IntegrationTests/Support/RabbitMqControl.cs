using System.Globalization;
using LocalBroker;

namespace SafeAmqp.IntegrationTests.Support;

/// <summary>A RabbitMQ node, controlled by signals and <c>rabbitmqctl</c>.</summary>
public sealed class RabbitMqControl(PrivateRabbitMqNode node, bool owned) : ControlledBroker
{
    private const string EveryName = ".*";

    public PrivateRabbitMqNode Node => node;

    public override Uri Uri => node.Uri;

    public override Task KillAsync(CancellationToken cancellationToken = default) => node.KillAsync(cancellationToken);

    public override Task StartAgainAsync(CancellationToken cancellationToken = default) => node.StartAgainAsync(cancellationToken);

    public override Task StopAppAsync(CancellationToken cancellationToken = default) => node.StopAppAsync(cancellationToken);

    public override Task StartAppAsync(CancellationToken cancellationToken = default) => node.StartAppAsync(cancellationToken);

    public override async Task PauseAsync(CancellationToken cancellationToken = default)
    {
        await node.PauseAsync(cancellationToken);
        // A signal is delivered when each thread gets to it: on a busy machine the broker may answer once more.
        while (!IsStopped())
            await Task.Delay(10, cancellationToken);
    }

    public override Task ResumeAsync(CancellationToken cancellationToken = default) => node.ResumeAsync(cancellationToken);

    public override Task SetMemoryAlarmAsync(bool raised, CancellationToken cancellationToken = default) => node.SetMemoryAlarmAsync(raised, cancellationToken);

    public override Task<IReadOnlyList<BrokerConnection>> ListConnectionsAsync(CancellationToken cancellationToken = default) => node.ListConnectionsAsync(cancellationToken);

    public override Task CloseConnectionAsync(BrokerConnection connection, string reason, CancellationToken cancellationToken = default)
        => node.CloseConnectionAsync(connection.Pid, reason, cancellationToken);

    public override Task CloseAllConnectionsAsync(string reason, CancellationToken cancellationToken = default) => node.CloseAllConnectionsAsync(reason, cancellationToken);

    public override async Task<int> CountChannelsAsync(CancellationToken cancellationToken = default)
        => (await ControlAsync(cancellationToken, "list_channels", "--no-table-headers", "pid")).Split('\n').Count(line => line.StartsWith('<'));

    public override Task AddUserAsync(string user, string password, CancellationToken cancellationToken = default) => ControlAsync(cancellationToken, "add_user", user, password);

    public override Task ChangePasswordAsync(string user, string password, CancellationToken cancellationToken = default)
        => ControlAsync(cancellationToken, "change_password", user, password);

    public override Task DeleteUserAsync(string user, CancellationToken cancellationToken = default) => ControlAsync(cancellationToken, "delete_user", user);

    public override Task SetPermissionsAsync(string user, string configure, string write, string read, CancellationToken cancellationToken = default)
        => ControlAsync(cancellationToken, "set_permissions", user, configure, write, read);

    public override Task DeleteQueueAsync(string queue, CancellationToken cancellationToken = default) => ControlAsync(cancellationToken, "delete_queue", queue);

    // rabbitmqctl has no command for it.
    public override Task DeleteExchangeAsync(string exchange, CancellationToken cancellationToken = default) => ControlAsync(cancellationToken,
        "eval", $"rabbit_exchange:delete(rabbit_misc:r(<<\"/\">>, exchange, <<\"{exchange}\">>), false, <<\"test\">>).");

    public override async Task<int> MessagesInAsync(string queue, CancellationToken cancellationToken = default)
    {
        string list = await ControlAsync(cancellationToken, "list_queues", "--no-table-headers", "name", "messages");
        foreach (string line in list.Split('\n'))
        {
            if (line.Split('\t') is [var name, var count] && name == queue)
                return int.Parse(count, CultureInfo.InvariantCulture);
        }
        return -1;
    }

    public override async Task<BrokerRecord> WatchAsync(CancellationToken cancellationToken = default) => await RabbitMqRecord.BeginAsync(node, cancellationToken);

    public override ValueTask DisposeAsync() => owned ? node.DisposeAsync() : ValueTask.CompletedTask;

    private Task<string> ControlAsync(CancellationToken cancellationToken, params string[] arguments) => node.RabbitMqCtlAsync(arguments, cancellationToken);

    private bool IsStopped()
    {
        string file = Path.Combine(node.Folder, "beam.pid");
        if (!OperatingSystem.IsLinux() || !File.Exists(file))
            return true;
        string pid = File.ReadAllText(file).Trim();
        return Directory.EnumerateDirectories($"/proc/{pid}/task").All(thread => File.ReadAllText(Path.Combine(thread, "stat")).Split(") ")[^1].StartsWith('T'));
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

        public static async Task<RabbitMqRecord> BeginAsync(PrivateRabbitMqNode node, CancellationToken cancellationToken)
        {
            var record = new RabbitMqRecord(node);
            await record.ChannelErrorsAsync(cancellationToken);
            return record;
        }

        /// <summary>Waits for an error of our own to appear, so that an empty answer means that there was none, and that this object would have seen one.</summary>
        public override async Task<IReadOnlyList<string>> ChannelErrorsAsync(CancellationToken cancellationToken = default)
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
                    List<string> errors = lines.GetRange(_seen, end - _seen).FindAll(line => line.Contains("caused a channel exception", StringComparison.Ordinal));
                    _seen = end + 1;
                    return errors;
                }
                await Task.Delay(20, cancellationToken);
            }
        }

        public override Task<IReadOnlyList<string>> ErrorsAsync(string connection, CancellationToken cancellationToken = default)
            => Task.FromResult<IReadOnlyList<string>>([.. With(connection).Where(line => line.Contains("[error]", StringComparison.Ordinal))]);

        public override Task<int> RefusedLoginsAsync(CancellationToken cancellationToken = default) => Task.FromResult(With("login refused").Count());

        public override Task<int> ConnectionsAsync(string connection, CancellationToken cancellationToken = default)
            => Task.FromResult(With(connection).Count(line => line.Contains("has a client-provided name", StringComparison.Ordinal)));

        public override Task<int> EndedAsync(string connection, CancellationToken cancellationToken = default)
            => Task.FromResult(With(connection).Count(line => line.Contains("closing", StringComparison.Ordinal)));

        private IEnumerable<string> With(string text) => Lines().Where(line => line.Contains(text, StringComparison.Ordinal));

        private IEnumerable<string> Lines()
        {
            using var stream = new FileStream(_file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            stream.Position = _from;
            using var reader = new StreamReader(stream);
            while (reader.ReadLine() is { } line)
                yield return line;
        }
    }
}
