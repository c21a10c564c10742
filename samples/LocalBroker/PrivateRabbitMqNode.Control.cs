using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using LocalBroker.Node;

namespace LocalBroker;

// What rabbitmqctl can do. It starts an Erlang machine of its own, which takes 0.4 seconds on an idle machine; what
// tests do often is asked of the node itself.
public sealed partial class PrivateRabbitMqNode
{
    private const int ConnectionColumns = 4;

    /// <summary>In whose name the node's log says that it was done.</summary>
    private const string Operator = "<<\"operator\">>";

    private static int _calls;

    /// <summary>Runs <c>rabbitmqctl</c> against this node and returns what it printed.</summary>
    /// <exception cref="PrivateRabbitMqNodeException">It failed (carries its error output) or took too
    /// long.</exception>
    public Task<string> RabbitMqCtlAsync(params string[] args) => RabbitMqCtlAsync(args, CancellationToken.None);

    /// <inheritdoc cref="RabbitMqCtlAsync(string[])"/>
    public Task<string> RabbitMqCtlAsync(string[] args, CancellationToken cancellationToken)
    {
        var command = _installation.Command(_folder, _installation.Control, ["--quiet", "--node", Name, .. args]);
        return command.RunAsync(_options.CommandTimeout, cancellationToken);
    }

    /// <summary>Stops RabbitMQ inside the node, which keeps running: connections close and the port refuses.</summary>
    public Task StopAppAsync(CancellationToken cancellationToken = default)
        => RabbitMqCtlAsync(["stop_app"], cancellationToken);

    /// <summary>Starts RabbitMQ after <see cref="StopAppAsync"/> and waits until the port answers again.</summary>
    public async Task StartAppAsync(CancellationToken cancellationToken = default)
    {
        await RabbitMqCtlAsync(["start_app"], cancellationToken);
        await UntilAsync(AnswersAsync, "answer the AMQP handshake", _options.StartTimeout, cancellationToken);
    }

    /// <summary>
    /// Has the node evaluate an Erlang expression and returns its value, which must be text (iodata). By
    /// <c>erl_call</c>, which takes a few milliseconds, where it is installed.
    /// </summary>
    /// <exception cref="PrivateRabbitMqNodeException">It failed, or took too long.</exception>
    public async Task<string> EvaluateAsync(string expression, CancellationToken cancellationToken = default)
    {
        // Both programs print short words of Base64 alike, whatever the text holds, and no empty one, hence the dot.
        // What is no text fails.
        string wrapped = $"""
            (fun F(L) when length(L) =< 50000 -> [L];
                 F(L) -> {"{Head, Tail} = lists:split(50000, L), [Head | F(Tail)]"} end)(
                base64:encode_to_string(unicode:characters_to_binary([$., begin {expression} end]))).
            """;
        string output = _installation.Call is { } call
            ? await CallAsync(call, wrapped + "\n", cancellationToken)
            : $"{{ok, {await RabbitMqCtlAsync(["eval", wrapped], cancellationToken)}}}";
        // Of an error erl_call prints the term, and ends well.
        if (!output.StartsWith("{ok,", StringComparison.Ordinal))
            throw new PrivateRabbitMqNodeException($"The node {Name} could not evaluate {expression}: {output.Trim()}");
        string encoded = string.Concat(EncodedWord().Matches(output).Select(word => word.Groups["word"].Value));
        return Encoding.UTF8.GetString(Convert.FromBase64String(encoded))[1..];
    }

    // Under a name of its own each time: the node refuses a second caller of one name while it has not seen the first
    // one's end.
    private Task<string> CallAsync(string program, string input, CancellationToken cancellationToken)
    {
        string caller = string.Create(
            CultureInfo.InvariantCulture, $"call{Environment.ProcessId}x{Interlocked.Increment(ref _calls)}");
        var command = _installation.Command(_folder, program, ["-h", caller, "-sname", Name, "-e"]);
        return command.RunAsync(_options.CommandTimeout, cancellationToken, input);
    }

    /// <summary>The client connections, those still in their handshake included.</summary>
    public async Task<IReadOnlyList<BrokerConnection>> ListConnectionsAsync(
        CancellationToken cancellationToken = default)
    {
        string list = await EvaluateAsync("""
            [[rabbit_misc:pid_to_string(proplists:get_value(pid, C)), 0,
              io_lib:format("~ts", [proplists:get_value(user, C)]), 0,
              atom_to_list(proplists:get_value(state, C)), 0,
              [N || L <- [proplists:get_value(client_properties, C)], is_list(L),
                    {<<"connection_name">>, _, N} <- L], 0]
             || C <- rabbit_networking:connection_info_all([pid, user, state, client_properties])]
            """, cancellationToken);
        return [.. list.Split('\0').Chunk(ConnectionColumns).Where(columns => columns.Length == ConnectionColumns)
            .Select(columns => new BrokerConnection(columns[0], columns[1], columns[3], columns[2]))];
    }

    /// <summary>
    /// Closes one connection; its client sees connection.close with code 320 and the reason. One that is gone is no
    /// error.
    /// </summary>
    public Task CloseConnectionAsync(string pid, string reason, CancellationToken cancellationToken = default)
        => EvaluateAsync(
        $"rabbit_networking:close_connection(rabbit_misc:string_to_pid({Quoted(pid)}), "
            + $"{Binary(reason)}), []", cancellationToken);

    /// <summary>Closes every connection; the clients see connection.close with code 320 and the reason.</summary>
    public Task CloseAllConnectionsAsync(string reason, CancellationToken cancellationToken = default) => EvaluateAsync(
        $"[rabbit_networking:close_connection(P, {Binary(reason)}) || P "
            + "<- rabbit_networking:connections()], []", cancellationToken);

    /// <summary>
    /// Raises or clears the memory alarm. While it is raised, the broker stops reading from connections that publish
    /// and tells them so (connection.blocked).
    /// </summary>
    public Task SetMemoryAlarmAsync(bool raised, CancellationToken cancellationToken = default)
    {
        string limit = raised ? "0.000001" : $"{{absolute, {Quoted(_folder.MemoryLimit)}}}";
        return EvaluateAsync($"vm_memory_monitor:set_vm_memory_high_watermark({limit}), []", cancellationToken);
    }

    /// <summary>Adds a virtual host in which guest may do everything.</summary>
    public Task AddVirtualHostAsync(string name, CancellationToken cancellationToken = default) => EvaluateAsync($"""
        ok = rabbit_vhost:add({Binary(name)}, {Operator}),
        ok = rabbit_auth_backend_internal:set_permissions(
            <<"guest">>, {Binary(name)}, <<".*">>, <<".*">>, <<".*">>, {Operator}), []
        """, cancellationToken);

    /// <summary>Deletes a virtual host with all that is in it; connections to it are closed.</summary>
    public Task DeleteVirtualHostAsync(string name, CancellationToken cancellationToken = default)
        => EvaluateAsync($"ok = rabbit_vhost:delete({Binary(name)}, {Operator}), []", cancellationToken);

    /// <summary>A text as an Erlang binary.</summary>
    public static string Binary(string text) => $"<<{Quoted(text)}/utf8>>";

    // In ASCII: erl_call takes each octet for a character.
    private static string Quoted(string text)
    {
        IEnumerable<string> escaped = text.EnumerateRunes().Select(
            rune => rune.Value is >= ' ' and <= '~' and not '"' and not '\\'
                ? rune.ToString()
                : string.Create(CultureInfo.InvariantCulture, $"\\x{{{rune.Value:X}}}"));
        return $"\"{string.Concat(escaped)}\"";
    }

    [GeneratedRegex("\"(?<word>[A-Za-z0-9+/=]*)\"")]
    private static partial Regex EncodedWord();
}
