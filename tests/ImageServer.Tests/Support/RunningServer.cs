using ImageServer.Protocol;
using ImageServer.Server;
using ImageServer.Server.Clients;
using ImageServer.Server.State;
using ImageWorkers.Messaging;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using SafeAmqp;

namespace ImageServer.Tests.Support;

/// <summary>The server on loopback ports of its own, and workers, with names on the broker that only this test
/// has.</summary>
internal sealed class RunningServer : IAsyncDisposable
{
    private readonly Dictionary<string, string?> _settings;
    private readonly WebApplication _app;
    private readonly List<IHost> _workers = [];

    private RunningServer(Dictionary<string, string?> settings, WebApplication app, Lines lines)
        => (_settings, _app, Lines) = (settings, app, lines);

    public Lines Lines { get; }

    public ServerState State => _app.Services.GetRequiredService<StateOwner>().Current;

    public StateOwner Owner => _app.Services.GetRequiredService<StateOwner>();

    public int Port => _app.Services.GetRequiredService<Listener>().EndPoint.Port;

    public string PageAddress => _app.Urls.Single();

    public IReadOnlyDictionary<string, string?> Settings => _settings;

    /// <summary>Starts the server, alone.</summary>
    public static async Task<RunningServer> StartAsync(Uri broker, params (string Name, string Value)[] settings)
    {
        var all = new Dictionary<string, string?>
        {
            ["RABBITMQ_URL"] = broker.ToString(),
            ["NAME_PREFIX"] = $"image-test-{Guid.NewGuid():N}.",
            ["QUEUE_EXPIRES_SECONDS"] = "60",
            ["LISTEN"] = "127.0.0.1",
            ["PORT"] = "0",
        };
        foreach (var (name, value) in settings)
            all[name] = value;
        var lines = new Lines();
        var app = ServerApp.Create([], builder =>
        {
            builder.Configuration.AddInMemoryCollection(all);
            builder.Configuration["urls"] = "http://127.0.0.1:0";
            builder.Logging.ClearProviders().AddProvider(lines);
        });
        await app.StartAsync(TestContext.Current.CancellationToken);
        return new RunningServer(all, app, lines);
    }

    /// <summary>Starts a worker and waits until the server can reach it.</summary>
    public async Task<IHost> StartWorkerAsync(Action<HostApplicationBuilder>? configure = null)
    {
        var host = WorkersHost.Create([], builder =>
        {
            builder.Configuration.AddInMemoryCollection(_settings);
            builder.Logging.ClearProviders();
            configure?.Invoke(builder);
        });
        _workers.Add(host);
        await host.StartAsync(TestContext.Current.CancellationToken);
        await ReadyAsync();
        return host;
    }

    /// <summary>Whether the server has its connections to the broker.</summary>
    public bool IsReady => Status.IsReady;

    /// <summary>Whether the server has noticed that it has none of its connections to the broker any more.</summary>
    public bool IsAway => Status.Links.All(link => link.State != AmqpLinkState.Open);

    private AmqpClientStatus Status => _app.Services.GetRequiredService<IAmqpClient>().Status;

    /// <summary>Waits until the server has its connections to the broker.</summary>
    public Task ReadyAsync() => Until.TrueAsync(() => IsReady, "the server is ready");

    public Task<ImageConnection> ConnectAsync()
        => ImageConnection.ConnectAsync("127.0.0.1", Port, TestContext.Current.CancellationToken);

    /// <summary>Waits until the server has noticed that every client has left.</summary>
    public Task EmptyAsync() => Until.TrueAsync(() => State.Clients.IsEmpty, "all clients have left");

    public async ValueTask DisposeAsync()
    {
        await _app.StopAsync(CancellationToken.None);
        await _app.DisposeAsync();
        foreach (var worker in _workers)
        {
            await worker.StopAsync(CancellationToken.None);
            worker.Dispose();
        }
    }
}

internal static class Answers
{
    public static async Task<ReceivedAnswer> AnswerAsync(this ImageConnection connection, string line)
        => await connection.AskAsync(line, TestContext.Current.CancellationToken)
            .WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);

    public static async Task<IndexedPicture> PictureAsync(this ImageConnection connection, string line)
        => Assert.IsType<ReceivedAnswer.Picture>(await connection.AnswerAsync(line)).Content;

    public static async Task<string> ErrorAsync(this ImageConnection connection, string line)
        => Assert.IsType<ReceivedAnswer.Error>(await connection.AnswerAsync(line)).Text;

    public static async Task<string> MessageAsync(this ImageConnection connection, string line)
        => Assert.IsType<ReceivedAnswer.Message>(await connection.AnswerAsync(line)).Text;
}
