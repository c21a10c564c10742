using System.Text.RegularExpressions;
using LocalBroker.Node;

namespace LocalBroker;

// What rabbitmqctl can do. Each call starts an Erlang machine of its own, hence 0.4 seconds each.
public sealed partial class PrivateRabbitMqNode
{
    private const int ConnectionColumns = 4;

    /// <summary>Runs <c>rabbitmqctl</c> against this node and returns what it printed.</summary>
    /// <exception cref="PrivateRabbitMqNodeException">It failed (carries its error output) or took too long.</exception>
    public Task<string> RabbitMqCtlAsync(params string[] args) => RabbitMqCtlAsync(args, CancellationToken.None);

    /// <inheritdoc cref="RabbitMqCtlAsync(string[])"/>
    public Task<string> RabbitMqCtlAsync(string[] args, CancellationToken cancellationToken)
    {
        string[] arguments = ["--quiet", "--node", Name, .. args];
        return Command.RunAsync(
            Command.Describe(_installation.Control, arguments, _folder), _options.CommandTimeout, cancellationToken);
    }

    /// <summary>Stops RabbitMQ inside the node, which keeps running: connections close and the port refuses.</summary>
    public Task StopAppAsync(CancellationToken cancellationToken = default) => RabbitMqCtlAsync(["stop_app"], cancellationToken);

    /// <summary>Starts RabbitMQ after <see cref="StopAppAsync"/> and waits until the port answers again.</summary>
    public async Task StartAppAsync(CancellationToken cancellationToken = default)
    {
        await RabbitMqCtlAsync(["start_app"], cancellationToken);
        await UntilAsync(AnswersAsync, "answer the AMQP handshake", _options.StartTimeout, cancellationToken);
    }

    /// <summary>The client connections, those still in their handshake included.</summary>
    public async Task<IReadOnlyList<BrokerConnection>> ListConnectionsAsync(CancellationToken cancellationToken = default)
    {
        // Not --formatter json: it prints pids in a form that close_connection does not take.
        var output = await RabbitMqCtlAsync(
            ["list_connections", "--no-table-headers", "pid", "user", "state", "client_properties"], cancellationToken);
        return [.. output.Split('\n').Select(ParseConnection).OfType<BrokerConnection>()];
    }

    /// <summary>Closes one connection; its client sees connection.close with code 320 and the reason.</summary>
    public Task CloseConnectionAsync(string pid, string reason, CancellationToken cancellationToken = default) =>
        RabbitMqCtlAsync(["close_connection", pid, reason], cancellationToken);

    /// <summary>Closes every connection; the clients see connection.close with code 320 and the reason.</summary>
    public Task CloseAllConnectionsAsync(string reason, CancellationToken cancellationToken = default) =>
        RabbitMqCtlAsync(["close_all_connections", reason], cancellationToken);

    /// <summary>
    /// Raises or clears the memory alarm. While it is raised, the broker stops reading from connections that publish
    /// and tells them so (connection.blocked).
    /// </summary>
    public Task SetMemoryAlarmAsync(bool raised, CancellationToken cancellationToken = default) => RabbitMqCtlAsync(
        raised
            ? ["set_vm_memory_high_watermark", "0.000001"]
            : ["set_vm_memory_high_watermark", "absolute", _folder.MemoryLimit],
        cancellationToken);

    internal static BrokerConnection? ParseConnection(string line)
    {
        // The properties come last and may hold anything; the three columns before cannot hold a tab.
        var columns = line.TrimEnd('\r').Split('\t', ConnectionColumns);
        if (columns.Length < ConnectionColumns || !columns[0].StartsWith('<')) return null;

        var name = ConnectionName().Match(columns[3]).Groups["name"].Value;
        return new BrokerConnection(columns[0], columns[1], EscapedCharacter().Replace(name, "$1"), columns[2]);
    }

    [GeneratedRegex("""\{"connection_name",\s*(?:longstr,\s*)?(?:<<)?"(?<name>(?:[^"\\]|\\.)*)"(?:>>)?\}""")]
    private static partial Regex ConnectionName();

    [GeneratedRegex("""\\(.)""")]
    private static partial Regex EscapedCharacter();
}
