using System.Globalization;
using FederatedLearning.Client;
using FederatedLearning.Messages;
using FederatedLearning.Model;
using FederatedLearning.Protocol;
using FederatedLearning.Status;
using Microsoft.Extensions.Logging;

namespace FederatedLearning.Protocols.Tests.Support;

/// <summary>
/// The real core with real handlers and real clients, in this process; only the learning may be another.
/// </summary>
internal sealed class Session : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly LoggerFactory _loggers = new();
    private readonly CancellationTokenSource _end = new();
    private readonly CancellationTokenSource _memberFailed = new();
    private readonly List<(ClientConnection Connection, SteppingLearner? Learner, Task<OutgoingMessage> Run)> _members =
        [];
    private readonly Func<ILoggerFactory, IReadOnlyList<IProtocolHandler>> _handlers;
    private readonly FederationSettings _settings;
    private readonly ModelConfig _config;
    private readonly ModelWeights _initial;

    private Session(
        Func<ILoggerFactory, IReadOnlyList<IProtocolHandler>> handlers, FederationSettings settings, ModelConfig config,
        ModelWeights initial)
    {
        (_handlers, _settings, _config, _initial) = (handlers, settings, config, initial);
        _loggers.AddProvider(Lines);
    }

    public Lines Lines { get; } = new();

    public ILoggerFactory Loggers => _loggers;

    public IReadOnlyList<IProtocolHandler> Handlers { get; private set; } = [];

    public FederationServer Server { get; private set; } = null!;

    public FederationSnapshot Now => Server.Snapshot;

    /// <summary>Starts a server whose model has so many values.</summary>
    public static Task<Session> StartAsync(
        Func<ILoggerFactory, IReadOnlyList<IProtocolHandler>> handlers, int rounds, int minClients, int values = 8,
        double deadline = 60)
        => StartAsync(
            handlers,
            new FederationSettings
            {
                MaxRounds = rounds,
                MinClients = minClients,
                RoundDeadline = TimeSpan.FromSeconds(deadline),
                ConvergencePatience = 1000
            },
            new ModelConfig("stepping", 1, [], 2, 0.1, 1),
            new ModelWeights([new TensorShape("w", [values])], new float[values]));

    /// <summary>Starts a server.</summary>
    public static async Task<Session> StartAsync(
        Func<ILoggerFactory, IReadOnlyList<IProtocolHandler>> handlers, FederationSettings settings, ModelConfig config,
        ModelWeights initial)
    {
        var training = new Session(handlers, settings, config, initial);
        await training.StartServerAsync();
        return training;
    }

    /// <summary>
    /// A server that knows nothing of the one before, which is taken away by <see cref="StopServerAsync"/>.
    /// </summary>
    public async Task StartServerAsync()
    {
        Handlers = _handlers(_loggers);
        Server = new FederationServer(
            _settings, _initial, _config, Handlers, TimeProvider.System, _loggers.CreateLogger<FederationServer>());
        await Server.StartAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>Stops the server with no patience.</summary>
    public async Task StopServerAsync()
    {
        await Server.StopAsync(new CancellationToken(canceled: true));
        foreach (var handler in Handlers) await handler.DisposeAsync();
    }

    /// <summary>Lets a client take part, which tries these protocols in their order.</summary>
    public ClientConnection Join(
        string id, ILearner learner, int roundsPerProtocol, params ProtocolEntry<IClientLink>[] protocols)
    {
        var (client, log) = (ClientId.Parse(id), _loggers.CreateLogger("client"));
        var connection = new ClientConnection(
            client, protocols, new ClientConnectionOptions(), TimeProvider.System, log);
        var run = new FederatedClient(client, connection, learner, log) { RoundsPerProtocol = roundsPerProtocol }
            .RunAsync(_end.Token);
        _members.Add((connection, learner as SteppingLearner, run));
        run.ContinueWith(_ => _memberFailed.Cancel(), CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted,
            TaskScheduler.Default);
        return connection;
    }

    /// <inheritdoc cref="Join(string, ILearner, int, ProtocolEntry{IClientLink}[])"/>
    public ClientConnection Join(string id, ILearner learner, params ProtocolEntry<IClientLink>[] protocols)
        => Join(id, learner, 0, protocols);

    /// <summary>Waits until the training has come so far.</summary>
    public async Task<FederationSnapshot> UntilAsync(Func<FederationSnapshot, bool> condition, string what)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(
            TestContext.Current.CancellationToken, _memberFailed.Token);
        limit.CancelAfter(Patience);
        var snapshot = Now;
        try
        {
            while (!condition(snapshot)) snapshot = await Server.ChangedAsync(snapshot.Version, limit.Token);
        }
        catch (OperationCanceledException) when (!TestContext.Current.CancellationToken.IsCancellationRequested)
        {
            Assert.Fail(string.Create(CultureInfo.InvariantCulture,
                $"It did not come to pass that {what}. Phase {snapshot.Phase}, round "
                    + $"{snapshot.Round}; {string.Join(", ", snapshot.Clients)}\n")
                + string.Concat(
                    _members.Where(member => member.Run.IsFaulted).Select(member => $"{member.Run.Exception}\n"))
                + string.Join('\n', Lines.All.TakeLast(80)));
        }
        return snapshot;
    }

    /// <summary>
    /// Waits for its end: all rounds done, every client told, no update counted twice, and what each round added as it
    /// should be.
    /// </summary>
    public async Task<FederationSnapshot> CompleteAsync()
    {
        var end = await UntilAsync(snapshot => snapshot.Phase == FederationPhase.Complete, "the training is complete");
        Assert.Equal(CompletionReason.RoundLimit, end.Completion);
        foreach (var member in _members)
            Assert.IsType<TrainingComplete>(
                await member.Run.WaitAsync(Patience, TestContext.Current.CancellationToken));
        Assert.Equal(end.Counts.Updates, end.Rounds.Sum(round => round.Updates));
        SteppingLearner[] learners = [.. _members.Select(member => member.Learner).OfType<SteppingLearner>()];
        foreach (var round in end.Rounds.SkipLast(1).Where(round => round.Updates == learners.Length))
        {
            double mean =
                learners.Sum(one => (double)one.Step * one.TrainingSamples) / learners.Sum(one => one.TrainingSamples);
            var one = learners.FirstOrDefault(
                one => one.Began.ContainsKey(round.Round) && one.Began.ContainsKey(round.Round + 1));
            if (one is not null) Assert.Equal(mean, one.Began[round.Round + 1] - one.Began[round.Round], 1e-3);
        }
        return end;
    }

    public async ValueTask DisposeAsync()
    {
        TestContext.Current.TestOutputHelper?.WriteLine(string.Join('\n', Lines.All.TakeLast(300)));
        await _end.CancelAsync();
        foreach (var member in _members)
        {
            await member.Connection.DisposeAsync();
            await ((Task)member.Run).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        await Server.DisposeAsync();
        foreach (var handler in Handlers) await handler.DisposeAsync();
        _loggers.Dispose();
        _end.Dispose();
    }
}
