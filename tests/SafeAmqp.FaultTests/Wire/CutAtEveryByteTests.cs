using System.Collections.Concurrent;

namespace SafeAmqp.FaultTests.Wire;

/// <summary>
/// A whole conversation - connect, declare, serve, consume, publish, call, goodbye - is cut after any byte, in each
/// direction; cut in pieces; and run together. By default it is every seventh byte, by resets and orderly ends in turn,
/// which takes what CI has; SAFEAMQP_FAULT_CUTS=all cuts after every single byte, in every way.
/// </summary>
public sealed class CutAtEveryByteTests : FaultCase
{
    private static readonly bool All = Environment.GetEnvironmentVariable("SAFEAMQP_FAULT_CUTS") == "all";

    // Odd, so that resets and ends take turns, and no multiple of anything in a frame.
    private static readonly int Stride = All ? 1 : 7;

    private static readonly TimeSpan Long = TimeSpan.FromSeconds(20);

    // Each has a broker of its own, so that no run sees another's messages.
    private static readonly int Workers = Math.Max(4, Environment.ProcessorCount * 2);

    private readonly ConcurrentQueue<AmqpTestBroker> _idle = new();
    private int _unknown, _again;

    public override async ValueTask InitializeAsync()
    {
        for (int i = 0; i < Workers; i++)
            _idle.Enqueue(await BrokerAsync(new AmqpTestBrokerOptions { HistoryCapacity = 0 }));
    }

    [Theory]
    [InlineData("to the client")]
    [InlineData("to the broker")]
    public async Task Cut_after_any_byte_every_operation_ends_true_and_the_client_goes_on(string direction)
    {
        long total = await LengthAsync(direction);
        Assert.InRange(total, 1_000, 20_000); // a conversation, and one that can be cut at every byte
        var runs = Enumerable.Range(0, (int)total).Where(at => at % Stride == 0).SelectMany(at => All
            ? new[] { (At: at, Kind: CutKind.Reset), (At: at, Kind: CutKind.End) }
            : [(At: at, Kind: at % 2 == 0 ? CutKind.Reset : CutKind.End)]).ToArray();
        int cuts = 0;
        await Parallel.ForEachAsync(
            runs, new ParallelOptions { MaxDegreeOfParallelism = Workers, CancellationToken = Cancelled },
            async (run, _) => Interlocked.Add(ref cuts, await CutAsync(direction, run.At, run.Kind)));

        Figure($"cut {direction}, of {total} bytes after every {(All ? "one" : $"{Stride}th")}: {runs.Length} runs, "
            + $"{cuts} cuts, {_unknown} operations without a verdict, {_again} deliveries that came again, 0 hangs");
        Assert.Equal(runs.Length, cuts); // each of them was really cut
        Assert.True(_unknown * Stride > 20, "Cutting a conversation must leave some operations without a verdict.");
    }

    [Fact]
    public async Task Silenced_after_any_sixteenth_byte_every_operation_ends_true_and_the_client_goes_on()
    {
        var runs = new List<(string Direction, int At)>();
        foreach (string direction in (string[])["to the client", "to the broker"])
            runs.AddRange(
                Enumerable.Range(0, (int)(await LengthAsync(direction) / 16)).Select(i => (direction, i * 16)));
        int cuts = 0;
        // They wait for the watchdog nearly all the time, so many go at once; they share the brokers, and their
        // messages have names of their own.
        await Parallel.ForEachAsync(
            runs, new ParallelOptions { MaxDegreeOfParallelism = 48, CancellationToken = Cancelled },
            async (run, _) => Interlocked.Add(ref cuts, await SilenceAsync(run.Direction, run.At)));
        Figure($"silenced after each 16th of the bytes, both ways: {runs.Count} runs, {cuts} silences, 0 hangs");
        Assert.Equal(runs.Count, cuts);
    }

    [Theory]
    [InlineData("one byte at a time")]
    [InlineData("pieces of random size")]
    [InlineData("run together")]
    public async Task In_pieces_of_any_size_the_conversation_is_the_same(string how)
    {
        int runs = how == "pieces of random size" ? 60 : 3;
        AmqpTestBroker broker = _idle.First();
        for (int seed = 0; seed < runs; seed++)
        {
            var random = new Random(seed);
            await using var relay = new Relay(broker.Port, how switch
            {
                "one byte at a time" => new RelayPlan { Slice = () => 1 },
                "run together" => new RelayPlan { Gather = TimeSpan.FromMilliseconds(15) },
                _ => new RelayPlan { Slice = () => { lock (random) return random.Next(1, 40); } },
            });
            var exchange = new Exchange(relay.Uri, $"{how} {seed}");
            await exchange.RunAsync(Long);
            exchange.Judge(faulted: false);
            Assert.Equal((1, 3), (relay.Accepted, exchange.Deliveries)); // one connection, nothing lost, nothing twice
        }
    }

    private async Task<long> LengthAsync(string direction)
    {
        long shortest = long.MaxValue;
        for (int i = 0; i < 5; i++)
        {
            await using var relay = new Relay(_idle.First().Port);
            var exchange = new Exchange(relay.Uri, $"whole {i}");
            await exchange.RunAsync(Long);
            exchange.Judge(faulted: false);
            shortest = Math.Min(shortest, direction == "to the client" ? relay.PassedToClient : relay.PassedToBroker);
        }
        return shortest;
    }

    private async Task<int> CutAsync(string direction, int at, CutKind kind)
    {
        Assert.True(_idle.TryDequeue(out AmqpTestBroker? broker));
        try
        {
            var exchange = await RunAsync(broker!, direction, at, kind, null);
            Interlocked.Add(ref _unknown, exchange.Exchange.Unknown);
            Interlocked.Add(ref _again, Math.Max(0, exchange.Exchange.Deliveries - exchange.Exchange.Published.Count));
            return exchange.Cuts;
        }
        finally
        {
            _idle.Enqueue(broker!);
        }
    }

    private async Task<int> SilenceAsync(string direction, int at)
    {
        // The connect time-out is short, as a silence before the link is open is its affair; later ones are the
        // watchdog's, of 1.5 heartbeats.
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(
            new AmqpTestBrokerOptions { HistoryCapacity = 0 }, Cancelled);
        return (await RunAsync(broker, direction, at, CutKind.Silence, options =>
        {
            options.ConnectTimeout = TimeSpan.FromSeconds(3);
            options.Heartbeat = TimeSpan.FromSeconds(2);
        })).Cuts;
    }

    private static async Task<(Exchange Exchange, int Cuts)> RunAsync(
        AmqpTestBroker broker, string direction, int at, CutKind kind, Action<AmqpClientOptions>? configure)
    {
        string run = $"{kind} {direction} after {at}";
        await using var relay = new Relay(broker.Port, direction == "to the client"
            ? new RelayPlan { CutToClient = at, Kind = kind }
            : new RelayPlan { CutToBroker = at, Kind = kind });
        var exchange = new Exchange(relay.Uri, run);
        await exchange.RunAsync(Long, configure);
        exchange.Judge(faulted: relay.Cuts > 0);
        return (exchange, relay.Cuts);
    }
}
