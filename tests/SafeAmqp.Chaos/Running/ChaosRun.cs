using SafeAmqp.Chaos.Checking;
using SafeAmqp.Chaos.Faults;

namespace SafeAmqp.Chaos.Running;

/// <summary>One run from the first node to the verdict.</summary>
internal sealed class ChaosRun(ChaosOptions options, RunExpectations expectations)
{
    /// <summary>All clients work again within this after a fault is over; beyond it one is stuck.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>The broker counts every 5 s what consumers of a quorum queue hold.</summary>
    private static readonly TimeSpan CountedAnew = TimeSpan.FromSeconds(6);

    /// <summary>Slow enough to be worth a look at the broker.</summary>
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(12);

    private readonly List<FaultRecord> _faults = [];

    internal async Task<RunResult> RunAsync(CancellationToken cancelled)
    {
        Directory.CreateDirectory(options.Folder);
        string history = Path.Combine(
            options.Folder,
            $"history-{options.Seed}.jsonl{(options.Duration > TimeSpan.FromMinutes(15) ? ".gz" : "")}");
        var checker = new RunChecker(expectations);
        var curve = new Curve();
        Say($"seed {options.Seed}, {options.Duration.TotalMinutes:0.#} minutes, {options.Kinds.Count} kinds of "
            + "fault; starting three nodes");
        await using Arena arena = await Arena.StartAsync(cancelled);
        var broker = new BrokerLogs(arena.Nodes);
        using var lag = new LagProbe();
        var recorder = new Recorder(history, checker) { Also = curve.Add };
        await using (recorder)
        {
            using var witnesses = new Witnesses(recorder) { Verbose = options.Verbose };
            witnesses.AddSecret(arena.UserPassword);
            witnesses.AddSecret(arena.TenantPassword);
            witnesses.WatchActivities();
            var cast = new Cast(arena, witnesses, lag, options);
            recorder.Record(new HistoryEvent
            {
                What = What.Begin,
                Text = $"seed {options.Seed}",
                Lanes = [.. cast.Publishers.Select(publisher => publisher.Route.Lane)]
            });
            foreach (Party party in cast.All)
                await party.StartAsync();
            await LoadAndFaultsAsync(arena, cast, witnesses, lag, broker, checker, cancelled);
            foreach (Party party in cast.All)
                await party.EndAsync(lag);
            broker.Report(recorder, _faults);
            broker.CopyTo(Path.Combine(options.Folder, $"broker-{options.Seed}"));
        }
        return new RunResult(options, checker, _faults, curve, lag.WorstEver, history);
    }

    private async Task LoadAndFaultsAsync(Arena arena, Cast cast, Witnesses witnesses, LagProbe lag, BrokerLogs broker,
        RunChecker checker, CancellationToken cancelled)
    {
        Recorder recorder = witnesses.Recorder;
        using var stop = new CancellationTokenSource();
        var load = Task.WhenAll([
            .. cast.Publishers.Select(
                publisher => Task.Run(() => publisher.RunAsync(stop.Token), CancellationToken.None)),
            .. cast.Callers.Select(caller => Task.Run(() => caller.RunAsync(stop.Token), CancellationToken.None)),
        ]);
        var memory = new MemoryWatch(checker);
        var stage = new Stage(arena, witnesses, lag, cast.Dora, cast.Receiver, async () =>
            await cast.Anna.Client.DeclareAsync(Cast.Topology));
        await BackAsync(cast, recorder, recorder.Now); // before the first fault all clients work
        double from = recorder.Now;
        foreach (FaultPlan plan in Schedule.For(options.Seed, options.Kinds))
        {
            if (recorder.Now - from > options.Duration.TotalMilliseconds || cancelled.IsCancellationRequested
                || _faults.Exists(fault => fault.IsStuck))
                break;
            await Task.Delay(plan.Gap, CancellationToken.None);
            await StrikeAsync(stage, plan, cast);
            memory.AtHalfTime((recorder.Now - from) / options.Duration.TotalMilliseconds);
        }
        // a while without faults, to be counted as after
        await Task.Delay(TimeSpan.FromSeconds(3), CancellationToken.None);
        await stop.CancelAsync();
        await load.WaitAsync(Patience, CancellationToken.None);
        await DrainAsync(arena, cast, recorder);
        // What a fault left half-open the broker notices by its own heartbeat.
        await Arena.UntilAsync(
            async () => await arena.ConnectionsAsync() == cast.Connections, TimeSpan.FromSeconds(20));
        recorder.Record(new HistoryEvent
        {
            What = What.Connections,
            Value = await arena.ConnectionsAsync(),
            Number = cast.Connections
        });
        recorder.Record(new HistoryEvent { What = What.Memory, Value = memory.Growth() });
    }

    private async Task StrikeAsync(Stage stage, FaultPlan plan, Cast cast)
    {
        Recorder recorder = stage.Witnesses.Recorder;
        FaultKind kind = FaultCatalog.Named(plan.Kind);
        stage.Witnesses.Strike();
        double begin =
            recorder.Record(new HistoryEvent { What = What.FaultBegin, Text = kind.Name, Number = plan.Number });
        bool? own = null;
        try
        {
            own = await kind.StrikeAsync(stage, plan);
        }
        catch (Exception error)
        {
            stage.Witnesses.Unexpected($"{plan} could not be made: {error}");
        }
        double over = recorder.Now;
        Task<double?> backing = BackAsync(cast, recorder, over);
        if (kind.TouchesNodes)
            await stage.Arena.MendAsync();
        if (await Task.WhenAny(backing, Task.Delay(Long)) != backing)
        {
            await AskWhyAsync(stage.Arena, cast, over); // before it is over, as only then the broker can say
            if (kind.Name == FaultKind.QueueDeleted)
                await RouseForgottenAsync(stage.Arena, recorder, [Arena.Doomed]);
        }
        double? back = await backing;
        bool effect = own == true || kind.WasNoticed(stage.Witnesses.Seen, plan);
        if (back is null)
            recorder.Record(new HistoryEvent
            {
                What = What.Stuck,
                Text = $"{Patience.TotalSeconds} s after {plan}: {Describe(cast, over)}"
            });
        double? took = back is null ? null : Math.Round(back.Value - over);
        recorder.Record(new HistoryEvent
        {
            What = What.FaultEnd,
            Text = kind.Name,
            Number = plan.Number,
            Flag = effect,
            Value = took
        });
        _faults.Add(
            new FaultRecord(plan, begin, over, back ?? recorder.Now, effect, back is null, stage.Witnesses.Outages));
        Say($"{begin / 1000,7:0.0} s  {plan.Number,4} "
            + $"{kind.Name,-30} {(effect ? "" : "NOT NOTICED ")}{stage.Witnesses.Seen.LinksLost} links lost, "
            + $"over after {(over - begin) / 1000:0.0} s, all back {took / 1000:0.00} s later");
    }

    private async Task AskWhyAsync(Arena arena, Cast cast, double over)
    {
        Say($"still not back: {Describe(cast, over)}");
        try
        {
            Say($"{await arena.CtlAsync("list_connections", "pid", "name", "state", "recv_oct", "send_pend")}");
            string channels = await arena.CtlAsync("list_channels", "pid", "connection", "messages_unconfirmed",
                "messages_unacknowledged", "consumer_count");
            Say(channels);
            Say($"{await arena.CtlAsync("list_queues", "name", "leader", "messages", "state", "online")}");
        }
        catch (LocalBroker.PrivateRabbitMqNodeException error)
        {
            Say($"{error.Message}"); // a broker that cannot even be asked
        }
    }

    /// <summary>
    /// Waits until every client is ready and every lane has had a message confirmed that was published after a moment.
    /// </summary>
    private static async Task<double?> BackAsync(Cast cast, Recorder recorder, double after)
        => await Arena.UntilAsync(
            () => cast.All.All(party => party.IsReady)
                && cast.Publishers.All(publisher => publisher.ConfirmedFrom > after),
            Patience) ? recorder.Now : null;

    private static string Describe(Cast cast, double after)
        => string.Join(
            "; ", cast.All.Where(party => !party.IsReady).Select(party => $"{party.Name} is {party.Client.Status}"))
            + string.Join("", cast.Publishers.Select((publisher, lane) => publisher.ConfirmedFrom > after
                ? ""
                : $"; lane {lane} of {publisher.Route.Party.Name} to '{publisher.Route.Key}' has nothing confirmed"));

    /// <summary>Waits until the consumers have taken all that the queues hold.</summary>
    private static async Task DrainAsync(Arena arena, Cast cast, Recorder recorder)
    {
        IReadOnlyDictionary<string, int> left = await LeftAsync(arena);
        if (left.Values.Any(count => count > 0) && await RouseForgottenAsync(
            arena, recorder, [.. left.Where(queue => queue.Value > 0).Select(queue => queue.Key)]))
            // what the broker kept from its consumer comes with the next link, and counts as everything else
            left = await LeftAsync(arena);
        if (left.Values.All(count => count == 0))
            recorder.Record(new HistoryEvent { What = What.Done });
        else
            recorder.Record(new HistoryEvent
            {
                What = What.Stuck,
                Text = "the queues are not empty: "
                    + $"{string.Join(", ", left.Select(queue => $"{queue.Key} {queue.Value}"))}; {Describe(cast, 0)}"
            });
    }

    /// <summary>What is in the queues that are consumed when they are empty, or when they should be.</summary>
    private static async Task<IReadOnlyDictionary<string, int>> LeftAsync(Arena arena)
    {
        string[] queues = [Arena.Ordered, Arena.Rough, Arena.Classic, Arena.Doomed, Arena.TenantQueue];
        IReadOnlyDictionary<string, int> left = new Dictionary<string, int>();
        await Arena.UntilAsync(async () =>
        {
            IReadOnlyDictionary<string, int> messages = await arena.MessagesAsync();
            left = queues.ToDictionary(queue => queue, queue => messages.GetValueOrDefault(queue));
            return left.Values.All(count => count == 0);
        }, Patience);
        return left;
    }

    /// <summary>
    /// Whether each of these queues has a consumer that the broker forgot. Then their connections are closed, as
    /// nothing else tells their clients.
    /// </summary>
    private static async Task<bool> RouseForgottenAsync(Arena arena, Recorder recorder, string[] queues)
    {
        List<ForgottenConsumer>? before = await ForgottenAsync(arena, queues);
        await Task.Delay(CountedAnew, CancellationToken.None);
        List<ForgottenConsumer>? forgotten = await ForgottenAsync(arena, queues);
        if (before is null || forgotten is null || !forgotten.SequenceEqual(before))
            return false; // something still moves, or the broker cannot say
        foreach (ForgottenConsumer consumer in forgotten)
        {
            recorder.Record(new HistoryEvent
            {
                What = What.Forgotten,
                Text = $"{consumer.Connection}: {consumer.Queue}: {consumer.Evidence}"
            });
            Say($"the broker forgot a consumer, {consumer.Queue} of {consumer.Connection}: {consumer.Evidence}");
        }
        if (!queues.All(queue => forgotten.Exists(consumer => consumer.Queue == queue)))
            return false;
        foreach (ForgottenConsumer consumer in forgotten)
            await arena.Nodes[0].CloseConnectionAsync(
                consumer.ConnectionPid, "it waits for a consumer that was forgotten");
        return true;
    }

    private static async Task<List<ForgottenConsumer>?> ForgottenAsync(Arena arena, string[] queues)
    {
        var found = new List<ForgottenConsumer>();
        try
        {
            foreach (string queue in queues)
                found.AddRange(await ForgottenConsumer.FindAsync(arena.Nodes[0], queue));
        }
        catch (LocalBroker.PrivateRabbitMqNodeException error)
        {
            Say($"{error.Message}"); // a queue without a leader does not answer
            return null;
        }
        return found;
    }

    private static void Say(string line) => Console.Error.WriteLine(line);
}

/// <summary>One fault as it went; times in the run's milliseconds.</summary>
internal sealed record FaultRecord(FaultPlan Plan, double Begin, double Over, double Back, bool HadEffect, bool IsStuck,
    IReadOnlyList<Outage> Outages);
