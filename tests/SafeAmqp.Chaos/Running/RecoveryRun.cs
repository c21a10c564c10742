using System.Text.Json;
using LocalBroker;
using SafeAmqp.Chaos.Checking;
using SafeAmqp.Chaos.Load;

namespace SafeAmqp.Chaos.Running;

/// <summary>
/// One fault many times, and nothing else going on: how long a client with another node to go to is away.
/// </summary>
internal sealed class RecoveryRun(int rounds, string folder)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private readonly Dictionary<string, List<double>> _figures = [];

    internal async Task<string> RunAsync()
    {
        Directory.CreateDirectory(folder);
        await using Arena arena = await Arena.StartAsync(CancellationToken.None);
        using var lag = new LagProbe();
        await using var recorder = new Recorder(
            Path.Combine(folder, "recovery.jsonl"), new RunChecker(new RunExpectations()));
        using var witnesses = new Witnesses(recorder);
        var party = new Party(
            "anna", () => arena.Options(0), witnesses, async client => await client.DeclareAsync(Cast.Topology));
        recorder.Record(new HistoryEvent { What = What.Begin, Lanes = [new Lane()] });
        await party.StartAsync();
        await party.Client.ConsumeAsync(Arena.Ordered, new Receiver(witnesses, 1, 1).InOrder);
        var publisher = new Publisher(
            0, new Route(party, "", Arena.Ordered, new Lane()), witnesses, lag, seed: 1, rate: 100);
        using var stop = new CancellationTokenSource();
        Task load = publisher.RunAsync(stop.Token);
        for (int round = 0; round < rounds; round++)
        {
            await OnceAsync("reset", () =>
            {
                foreach (FaultProxy proxy in arena.Proxies)
                    proxy.Reset();
                return Task.CompletedTask;
            });
            await OnceAsync("close", () => arena.Nodes[arena.Busy(0)].CloseAllConnectionsAsync("recovery"));
            if (round % 10 != 0)
                continue;
            PrivateRabbitMqNode used = arena.Nodes[arena.Busy(0)];
            if (await arena.LeaderAsync(Arena.Ordered) == used)
                await MoveLeaderAsync(arena, used);
            await OnceAsync("kill", () => used.KillAsync());
            await used.StartAgainAsync();
            await arena.MendAsync();
            used = arena.Nodes[arena.Busy(0)];
            if (await arena.LeaderAsync(Arena.Ordered) == used)
                await MoveLeaderAsync(arena, used);
            PrivateRabbitMqNode leader = (await arena.LeaderAsync(Arena.Ordered))!;
            await OnceAsync("leader lost", () => leader.KillAsync(), losesLinks: false);
            await leader.StartAgainAsync();
            await arena.MendAsync();
        }
        await stop.CancelAsync();
        await load;
        await party.EndAsync(lag);
        return JsonSerializer.Serialize(new
        {
            rounds,
            machineLateMs = Math.Round(lag.WorstEver),
            figures = _figures.ToDictionary(figure => figure.Key, figure => RunResult.Figures(figure.Value))
        });

        async Task OnceAsync(string kind, Func<Task> strike, bool losesLinks = true)
        {
            witnesses.Strike();
            double from = recorder.Now;
            await strike();
            double struck = recorder.Now;
            if (losesLinks && !await Arena.UntilAsync(() => witnesses.Outages.Count > 0 && party.IsReady, Patience))
                throw new InvalidOperationException($"No link was lost by '{kind}', or none came back.");
            if (!await Arena.UntilAsync(() => publisher.ConfirmedFrom > struck, Patience))
                throw new InvalidOperationException($"Nothing was confirmed after '{kind}'.");
            // A command of rabbitmqctl takes a second to start: what counts begins when the client notices.
            if (losesLinks)
                Note($"{kind}: from notice to open", witnesses.Outages.Select(outage => outage.Away));
            if (kind != "close")
                Note($"{kind}: from fault to confirmed", [publisher.FirstConfirmOfAfter(struck) - from]);
        }
    }

    private static async Task MoveLeaderAsync(Arena arena, PrivateRabbitMqNode from)
    {
        PrivateRabbitMqNode target = arena.Nodes.First(node => node != from);
        await arena.CtlAsync("eval", $"ra:transfer_leadership({{'%2F_{Arena.Ordered}', "
            + $"'{from.Name}'}}, {{'%2F_{Arena.Ordered}', '{target.Name}'}}).");
        await Arena.UntilAsync(
            async () => await arena.LeaderAsync(Arena.Ordered) is { } leader && leader != from, Patience);
    }

    private void Note(string figure, IEnumerable<double> values)
    {
        if (!_figures.TryGetValue(figure, out List<double>? known))
            _figures[figure] = known = [];
        known.AddRange(values);
    }
}
