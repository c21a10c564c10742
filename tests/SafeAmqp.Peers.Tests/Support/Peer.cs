using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json.Nodes;

namespace SafeAmqp.Peers.Tests.Support;

/// <summary>
/// A message as a peer sees it: plain properties by their names in the protocol, headers with their types.
/// </summary>
public sealed record PeerMessage(
    IReadOnlyDictionary<string, string> Properties, IReadOnlyDictionary<string, Typed> Headers, byte[] Body);

/// <summary>
/// A client of another language in a process of its own, which does what a line says and answers with a line.
/// </summary>
public sealed class Peer : IAsyncDisposable
{
    public const string Pika = "pika", Kombu = "kombu", Amqplib = "amqplib", RabbitMqClient = "rabbitmq-client";

    private readonly Process _process;
    private readonly ConcurrentQueue<string> _errors = new();

    private Peer(Process process)
    {
        _process = process;
        process.ErrorDataReceived += (_, line) => _errors.Enqueue(line.Data ?? "");
        process.BeginErrorReadLine();
    }

    /// <summary>The folder with the peers' sources.</summary>
    public static string Folder { get; } = Repository.Path("tests", "SafeAmqp.Peers.Tests", "Peers");

    /// <summary>All that are spoken to by lines.</summary>
    public static IReadOnlyList<string> All { get; } = [Pika, Kombu, Amqplib, RabbitMqClient];

    public static async Task<Peer> StartAsync(string name, string uri)
    {
        string node = Path.Combine(Folder, "node");
        switch (name)
        {
            case Pika or Kombu:
                await NeedAsync($"import {name}", $"python3-{name}");
                return new Peer(Programs.Start(Programs.Python, Path.Combine(Folder, $"{name}_peer.py"), uri));
            case Amqplib or RabbitMqClient:
                Repository.Need(Directory.Exists(Path.Combine(node, "node_modules", name)),
                    $"{name} is not installed: run npm ci in {node}.");
                string script = $"{name.Replace('-', '_')}_peer.js";
                return new Peer(Programs.Start("node", Path.Combine(node, script), uri));
            default:
                throw new ArgumentException($"There is no peer {name}.", nameof(name));
        }
    }

    /// <summary>Publishes and waits for the confirm.</summary>
    public Task PublishAsync(
        string exchange, string key, byte[] body, IReadOnlyDictionary<string, Typed>? headers = null,
        JsonObject? properties = null) =>
        AskAsync(Line("publish", body, headers, properties, ("exchange", exchange), ("key", key)));

    /// <summary>Takes the next message out of a queue; waits until there is one.</summary>
    public async Task<PeerMessage> GetAsync(string queue)
        => Message(await AskAsync(Line("get", null, null, null, ("queue", queue))));

    /// <summary>Answers one request with its own body and headers.</summary>
    /// <returns>The request.</returns>
    public async Task<PeerMessage> ServeAsync(string queue) =>
        Message(await AskAsync(Line("serve", null, null, null, ("queue", queue))));

    /// <summary>Sends a request and waits for the reply.</summary>
    public async Task<PeerMessage> CallAsync(
        string queue, byte[] body, IReadOnlyDictionary<string, Typed>? headers = null) =>
        Message(await AskAsync(Line("call", body, headers, null, ("exchange", ""), ("key", queue))));

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            await _process.WaitForExitAsync();
        }
        _process.Dispose();
    }

    /// <summary>Gives up where Debian's Python cannot do this.</summary>
    public static async Task NeedAsync(string statement, string package)
    {
        using Process python = Programs.Start(Programs.Python, "-c", statement);
        await python.WaitForExitAsync().WaitAsync(Programs.Limit);
        Repository.Need(python.ExitCode == 0, $"{package} is not installed.");
    }

    private static JsonObject Line(
        string verb, byte[]? body, IReadOnlyDictionary<string, Typed>? headers, JsonObject? properties,
        params ReadOnlySpan<(string Name, string Value)> more)
    {
        var line = new JsonObject { ["do"] = verb };
        if (body is not null)
            line["body"] = Convert.ToBase64String(body);
        if (headers is not null)
            line["headers"] = new JsonObject(
                headers.Select(header => KeyValuePair.Create(header.Key, (JsonNode?)header.Value.ToJson())));
        if (properties is not null)
            line["properties"] = properties.DeepClone();
        foreach ((string name, string value) in more)
            line[name] = value;
        return line;
    }

    private static PeerMessage Message(JsonObject answer) => new(
        answer["properties"]!.AsObject().ToDictionary(p => p.Key, p => p.Value!.ToString()),
        answer["headers"]!.AsObject().ToDictionary(h => h.Key, h => Typed.Parse(h.Value!)),
        Convert.FromBase64String((string)answer["body"]!));

    private async Task<JsonObject> AskAsync(JsonObject line)
    {
        try
        {
            await _process.StandardInput.WriteLineAsync(line.ToJsonString());
            await _process.StandardInput.FlushAsync();
            string answer = await _process.StandardOutput.ReadLineAsync().WaitAsync(Programs.Limit)
                ?? throw new IOException("The peer has ended.");
            JsonObject read = JsonNode.Parse(answer)!.AsObject();
            return read["error"] is { } error ? throw new IOException((string)error!) : read;
        }
        catch (Exception error) when (error is IOException or TimeoutException)
        {
            throw new InvalidOperationException(
                $"{line["do"]}: {error.Message} {string.Join('\n', _errors.TakeLast(20))}", error);
        }
    }
}
