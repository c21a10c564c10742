using System.Net;
using ChildPrograms;
using LocalBroker;

namespace ImageServer.Local;

/// <summary>A broker, the image server and its workers on this machine; server and workers are processes of their own.
/// Disposing ends them all.</summary>
public sealed class LocalSystem : IAsyncDisposable
{
    private const string Listening = "Image server listening on: ";
    private const string PageListening = "Now listening on: ";
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(100);

    private readonly ChosenBroker _broker;
    private readonly Dictionary<string, string> _settings;
    private readonly List<ChildProgram> _programs = [];

    private LocalSystem(ChosenBroker broker, Dictionary<string, string> settings)
        => (_broker, _settings) = (broker, settings);

    /// <summary>Which broker it is.</summary>
    public string Broker => _broker.Description;

    /// <summary>The port that clients connect to, on the loopback address.</summary>
    public int Port { get; private set; }

    /// <summary>The page with the live state.</summary>
    public Uri Page { get; private set; } = null!;

    /// <summary>Starts all of it and waits until it is ready.</summary>
    /// <param name="workers">How many worker processes. Each draws and searches.</param>
    /// <param name="settings">Settings of the server beyond the usual, such as <c>PATHS</c>; <c>PORT</c> is a free one
    /// unless it is set.</param>
    /// <param name="onServerLine">Called with each line that the server writes, from any thread.</param>
    /// <param name="cancellationToken">Ends the start.</param>
    /// <exception cref="ProgramException">A program ended.</exception>
    /// <exception cref="BrokerUnavailableException">RabbitMQ was asked for and there is none.</exception>
    public static async Task<LocalSystem> StartAsync(
        int workers, IReadOnlyDictionary<string, string> settings, Action<string>? onServerLine = null,
            CancellationToken cancellationToken = default)
    {
        var broker = await ChosenBroker.FindOrStartAsync(cancellationToken);
        var system = new LocalSystem(broker, Settings(broker, settings));
        try
        {
            await system.StartAllAsync(workers, onServerLine, cancellationToken);
            return system;
        }
        catch
        {
            await system.DisposeAsync();
            throw;
        }
    }

    /// <summary>Ends all of it.</summary>
    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(_programs.Select(program => program.DisposeAsync().AsTask()));
        await _broker.DisposeAsync();
    }

    private static Dictionary<string, string> Settings(ChosenBroker broker, IReadOnlyDictionary<string, string> more)
    {
        var settings = new Dictionary<string, string>
        {
            ["RABBITMQ_URL"] = broker.Uri.ToString(),
            // On a broker that others use, too, names of our own, which go when they were not used for a minute.
            ["NAME_PREFIX"] = broker.IsOwned ? "" : $"image-{Environment.ProcessId}.",
            ["QUEUE_EXPIRES_SECONDS"] = "60",
            ["LISTEN"] = IPAddress.Loopback.ToString(),
            ["PORT"] = "0",
            ["ASPNETCORE_URLS"] = "http://127.0.0.1:0",
            ["DOTNET_gcServer"] = "0", // several processes share the machine
        };
        foreach (var (name, value) in more)
            settings[name] = value;
        return settings;
    }

    private async Task StartAllAsync(int workers, Action<string>? onServerLine, CancellationToken cancellationToken)
    {
        var server = ChildProgram.Start("image server", "ImageServer.Server", [], _settings, onServerLine);
        _programs.Add(server);
        for (int worker = 1; worker <= workers; worker++)
            _programs.Add(ChildProgram.Start($"worker {worker}", "ImageWorkers", [], _settings));

        string clients = After(Listening, await server.LineAsync(Listening, cancellationToken));
        Port = IPEndPoint.Parse(clients).Port;
        Page = new Uri(After(PageListening, await server.LineAsync(PageListening, cancellationToken)));
        await Task.WhenAll(
            _programs.Skip(1).Select(worker => worker.LineAsync("Application started", cancellationToken)));
        await UntilReadyAsync(cancellationToken);
    }

    private async Task UntilReadyAsync(CancellationToken cancellationToken)
    {
        using var http = new HttpClient { BaseAddress = Page };
        while (true)
        {
            using var response = await http.GetAsync("/health/ready", cancellationToken);
            if (response.StatusCode == HttpStatusCode.OK)
                return;
            await Task.Delay(LookEvery, cancellationToken);
        }
    }

    private static string After(string text, string line)
        => line[(line.IndexOf(text, StringComparison.Ordinal) + text.Length)..].Trim();
}
