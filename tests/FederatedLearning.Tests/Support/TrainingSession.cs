using System.Globalization;
using FederatedLearning.Amqp;
using FederatedLearning.Client;
using FederatedLearning.Messages;
using FederatedLearning.Model;
using FederatedLearning.Protocol;
using FederatedLearning.Server;
using FederatedLearning.Status;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using SafeAmqp;

namespace FederatedLearning.Tests.Support;

/// <summary>
/// The real server and real clients, in this process, in a place of their own; only the learning may be another.
/// </summary>
internal sealed class TrainingSession : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);

    private readonly Place _place;
    private readonly WebApplication _server;
    private readonly LoggerFactory _loggers = new();
    private readonly CancellationTokenSource _end = new();
    private readonly CancellationTokenSource _memberFailed = new();
    private readonly List<Member> _members = [];

    private sealed record Member(ClientConnection Connection, ILearner Learner, Task<OutgoingMessage> Run);

    private TrainingSession(Place place, WebApplication server, Lines lines)
    {
        (_place, _server, Lines) = (place, server, lines);
        _loggers.AddProvider(lines);
    }

    public Lines Lines { get; }

    public Uri Page => new(_server.Urls.Single());

    public FederationSnapshot Now => Status.Snapshot;

    public AmqpClientStatus Amqp => _server.Services.GetRequiredService<ChosenProtocols>().Amqp!.Status;

    private IFederationStatus Status => _server.Services.GetRequiredService<IFederationStatus>();

    /// <summary>
    /// Starts a server whose model has so many values; none is a model that learns, as the settings say.
    /// </summary>
    public static async Task<TrainingSession> StartAsync(
        Place place, int rounds, int minClients, int values = 8, params (string Name, string Value)[] settings)
    {
        var lines = new Lines();
        var all = new Dictionary<string, string?>(place.Environment.Select(
            pair => KeyValuePair.Create<string, string?>(pair.Key, pair.Value)))
        {
            ["NUM_ROUNDS"] = rounds.ToString(CultureInfo.InvariantCulture),
            ["MIN_CLIENTS"] = minClients.ToString(CultureInfo.InvariantCulture),
            ["CONVERGENCE_PATIENCE"] = "1000",
            ["PROTOCOLS"] = "amqp",
            ["urls"] = "http://127.0.0.1:0",
        };
        foreach (var (name, value) in settings)
            all[name] = value;
        if (!all.ContainsKey("RESULTS_FOLDER"))
            all["RESULTS_FOLDER"] = Directory.CreateTempSubdirectory("fl-results-").FullName;
        var app = ServerApp.Create([], builder =>
        {
            builder.Configuration.AddInMemoryCollection(all);
            builder.Logging.ClearProviders().AddProvider(lines);
            if (values > 0)
                builder.Services.AddSingleton(new InitialModel(
                    new ModelConfig("stepping", 1, [], 2, 0.1, 1), new ModelWeights(
                        [new TensorShape("w", [values])], new float[values])));
        });
        var training = new TrainingSession(place, app, lines);
        await app.StartAsync(TestContext.Current.CancellationToken);
        return training;
    }

    /// <summary>
    /// Waits until the server listens: what a peer sends before goes nowhere, unless it declares the server's queues
    /// itself as our clients do.
    /// </summary>
    public Task ListensAsync() => Lines.ShowAsync("[AMQP] Server started with separate send/receive connections");

    /// <summary>Lets a client take part.</summary>
    public void Join(string id, ClientWay way, ILearner learner)
    {
        var client = ClientId.Parse(id);
        Join(client, [new("amqp", () => new AmqpClientLink(client, way, _place.Amqp, _loggers))], learner);
    }

    /// <summary>Lets a client take part over one of several protocols.</summary>
    public void Join(
        ClientId id, IReadOnlyList<ProtocolEntry<IClientLink>> protocols, ILearner learner, int roundsPerProtocol = 0)
    {
        var log = _loggers.CreateLogger("client");
        var connection = new ClientConnection(id, protocols, new ClientConnectionOptions(), TimeProvider.System, log);
        var client = new FederatedClient(id, connection, learner, log) { RoundsPerProtocol = roundsPerProtocol };
        var run = client.RunAsync(_end.Token);
        _members.Add(new Member(connection, learner, run));
        // Without it the training would not come to its end: there is no need to wait for that.
        run.ContinueWith(_ => _memberFailed.Cancel(), CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted,
            TaskScheduler.Default);
    }

    /// <summary>Waits until the training has come so far.</summary>
    public async Task<FederationSnapshot> UntilAsync(Func<FederationSnapshot, bool> condition, string what)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(
            TestContext.Current.CancellationToken, _memberFailed.Token);
        limit.CancelAfter(Patience);
        var snapshot = Now;
        try
        {
            while (!condition(snapshot))
                snapshot = await Status.ChangedAsync(snapshot.Version, limit.Token);
        }
        catch (OperationCanceledException) when (!TestContext.Current.CancellationToken.IsCancellationRequested)
        {
            Assert.Fail($"It did not come to pass that {what}. Phase {snapshot.Phase}, round "
                + $"{snapshot.Round}, {snapshot.Received} answers, {snapshot.Awaited} awaited; "
                + string.Join(", ", snapshot.Clients) + string.Concat(_members.Where(member => member.Run.IsFaulted)
                    .Select(member => $"\n{member.Run.Exception}")) + "\n" + string.Join('\n', Lines.All.TakeLast(60)));
        }

        return snapshot;
    }

    /// <summary>Waits for its end: all rounds done, every client told, and no update counted twice.</summary>
    public async Task<FederationSnapshot> CompleteAsync()
    {
        var end = await UntilAsync(snapshot => snapshot.Phase == FederationPhase.Complete, "the training is complete");
        Assert.Equal(CompletionReason.RoundLimit, end.Completion);
        foreach (var member in _members)
            Assert.IsType<TrainingComplete>(
                await member.Run.WaitAsync(Patience, TestContext.Current.CancellationToken));
        Assert.Equal(end.MaxRounds, end.Rounds.Count);
        Assert.Equal(end.Counts.Updates, end.Rounds.Sum(round => round.Updates));
        VerifyModels(end);
        return end;
    }

    // What a round added to the model is the weighted mean of the steps of some of the clients, as many as the server
    // counted, each once.
    private void VerifyModels(FederationSnapshot end)
    {
        SteppingLearner[] learners = [.. _members.Select(member => member.Learner).OfType<SteppingLearner>()];
        foreach (var round in end.Rounds.SkipLast(1))
        {
            float? before = Began(round.Round);
            float? after = Began(round.Round + 1);
            if (before is null || after is null)
                continue;
            float added = after.Value - before.Value;
            Assert.True(Subsets(learners, round.Updates).Any(some => Math.Abs(Mean(some) - added) < 1e-3),
                $"Round {round.Round} added {added}, which is no mean of {round.Updates} different updates.");
        }

        float? Began(int round)
            => learners.Select(learner => learner.Began.TryGetValue(round, out float value) ? value : (float?)null)
                .FirstOrDefault(value => value is not null);
    }

    private static double Mean(IReadOnlyCollection<SteppingLearner> some)
        => some.Sum(one => (double)one.Step * one.TrainingSamples) / some.Sum(one => one.TrainingSamples);

    // All of them, when it is all: of fifty there are too many subsets to look at.
    private static IEnumerable<IReadOnlyCollection<SteppingLearner>> Subsets(SteppingLearner[] all, int size)
        => size == all.Length
            ? [all]
            : Enumerable.Range(0, 1 << all.Length).Where(bits => int.PopCount(bits) == size)
                .Select(bits => all.Where((_, i) => (bits & 1 << i) != 0).ToList());

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        foreach (var member in _members)
        {
            await member.Connection.DisposeAsync();
            await ((Task)member.Run).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        string results = _server.Services.GetRequiredService<ServerSettings>().ResultsFolder;
        await _server.StopAsync(CancellationToken.None);
        await _server.DisposeAsync();
        Directory.Delete(results, recursive: true);
        _loggers.Dispose();
        _end.Dispose();
    }
}
