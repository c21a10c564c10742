using FederatedLearning.Client;
using FederatedLearning.Messages;
using FederatedLearning.Model;
using FederatedLearning.Protocol;
using FederatedLearning.Status;
using Microsoft.Extensions.Logging;

[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.None)] // trainings, on a machine of two cores

namespace FederatedLearning.Tests.Support;

/// <summary>A server with one protocol, and clients that come and go, in this process.</summary>
internal sealed class TrainingHost : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    private readonly LoggerFactory _loggers = new();
    private readonly CancellationTokenSource _end = new();
    private readonly List<ClientConnection> _connections = [];
    private FederationServer? _server;

    private TrainingHost() => _loggers.AddProvider(Lines);

    public Lines Lines { get; } = new();

    public ILoggerFactory Loggers => _loggers;

    public FederationSnapshot Now => _server!.Snapshot;

    public TrafficCounts Traffic => Now.Handlers.Single().Traffic;

    /// <summary>Starts a server, with a model of so many values.</summary>
    public static async Task<TrainingHost> StartAsync(
        Func<ILoggerFactory, IProtocolHandler> handler, int rounds, int minClients, int values = 8,
            TimeSpan? deadline = null)
    {
        var training = new TrainingHost();
        var settings = new FederationSettings
        {
            MaxRounds = rounds,
            MinClients = minClients,
            ConvergencePatience = 1000,
            RoundDeadline = deadline ?? Patience,
            EvaluationDeadline = deadline ?? Patience,
        };
        training._server = new FederationServer(
            settings,
            new ModelWeights([new TensorShape("w", [values])], new float[values]),
            new ModelConfig("stepping", 1, [], 2, 0.1, 1),
            [handler(training._loggers)],
            TimeProvider.System,
            training._loggers.CreateLogger<FederationServer>());
        await training._server.StartAsync(TestContext.Current.CancellationToken);
        return training;
    }

    /// <summary>Lets a client take part; its last message is the result.</summary>
    public Task<OutgoingMessage> Join(string id, Func<ClientId, ILoggerFactory, IClientLink> link, ILearner learner)
    {
        var client = ClientId.Parse(id);
        var log = _loggers.CreateLogger("client");
        var connection = new ClientConnection(
            client, [new ProtocolEntry<IClientLink>("link", () => link(client, _loggers))],
                new ClientConnectionOptions(),
            TimeProvider.System, log);
        _connections.Add(connection);
        return new FederatedClient(client, connection, learner, log).RunAsync(_end.Token);
    }

    public async Task<FederationSnapshot> UntilAsync(Func<FederationSnapshot, bool> condition, string what)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(Patience);
        var snapshot = Now;
        try
        {
            while (!condition(snapshot))
                snapshot = await _server!.ChangedAsync(snapshot.Version, limit.Token);
        }
        catch (OperationCanceledException) when (!TestContext.Current.CancellationToken.IsCancellationRequested)
        {
            Assert.Fail(
                $"It did not come to pass that {what}: {snapshot.Phase}, round {snapshot.Round}\n"
                + string.Join('\n', Lines.All.TakeLast(60)));
        }
        return snapshot;
    }

    /// <summary>Waits for the end, and until all are told of it.</summary>
    public async Task<FederationSnapshot> CompleteAsync(params Task<OutgoingMessage>[] members)
    {
        var end = await UntilAsync(snapshot => snapshot.Phase == FederationPhase.Complete, "the training is complete");
        Assert.Equal(CompletionReason.RoundLimit, end.Completion);
        foreach (var member in members)
            Assert.IsType<TrainingComplete>(await member.WaitAsync(Patience, TestContext.Current.CancellationToken));
        Assert.Equal(end.MaxRounds, end.Rounds.Count);
        return end;
    }

    public async Task StopServerAsync()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        await _server!.StopAsync(patience.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        foreach (var connection in _connections)
            await connection.DisposeAsync();
        await StopServerAsync();
        _loggers.Dispose();
        _end.Dispose();
    }
}

/// <summary>A handler alone, with only the test behind it.</summary>
internal sealed class Running<T> : IAsyncDisposable where T : IProtocolHandler
{
    private readonly LoggerFactory _loggers = new();

    private Running(Func<ILoggerFactory, T> handler)
    {
        _loggers.AddProvider(Lines);
        Handler = handler(_loggers);
    }

    public T Handler { get; }

    public RecordingFederation Federation { get; } = new();

    public OutgoingQueue Outgoing { get; } = new();

    public ProtocolTraffic Traffic { get; } = new();

    public Lines Lines { get; } = new();

    public ILoggerFactory Loggers => _loggers;

    public static async Task<Running<T>> StartAsync(Func<ILoggerFactory, T> handler)
    {
        var running = new Running<T>(handler);
        var context = new HandlerContext(running.Federation, running.Outgoing) { Traffic = running.Traffic };
        await running.Handler.StartAsync(context, TestContext.Current.CancellationToken);
        return running;
    }

    public async ValueTask DisposeAsync()
    {
        Outgoing.Complete();
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        await Handler.StopAsync(patience.Token);
        foreach (string line in Lines.All)
            TestContext.Current.TestOutputHelper?.WriteLine(line);
        _loggers.Dispose();
    }
}
