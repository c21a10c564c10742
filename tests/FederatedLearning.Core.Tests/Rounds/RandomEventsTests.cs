using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using FederatedLearning.Status;

namespace FederatedLearning.Tests.Rounds;

/// <summary>
/// Random clients against the run, checked after each event: what counts counts once, and nothing hangs.
/// </summary>
public sealed class RandomEventsTests
{
    [Fact]
    public void In_every_sequence_of_events_no_update_counts_twice_and_no_round_hangs()
    {
        var ends = new Dictionary<CompletionReason, int>();
        var verdicts = new Dictionary<MessageVerdict, int>();
        for (int seed = 0; seed < 1500; seed++)
        {
            try
            {
                Play(new Random(seed), ends, verdicts);
            }
            catch (Exception error)
            {
                throw new InvalidOperationException($"seed {seed}: {error.Message}", error);
            }
        }

        // The test would prove little if its events did not reach every outcome.
        Assert.All(
            [MessageVerdict.Accepted, MessageVerdict.Duplicate, MessageVerdict.Stale, MessageVerdict.Refused],
            verdict => Assert.True(verdicts[verdict] > 1000));
        Assert.All([CompletionReason.RoundLimit, CompletionReason.Converged, CompletionReason.ClientsConverged,
            CompletionReason.Abandoned],
            reason => Assert.True(ends.GetValueOrDefault(reason) > 5, $"{reason}: {ends.GetValueOrDefault(reason)}"));
    }

    private static void Play(
        Random random, Dictionary<CompletionReason, int> ends, Dictionary<MessageVerdict, int> verdicts)
    {
        var settings = new FederationSettings
        {
            MinClients = random.Next(1, 4),
            MaxClients = random.Next(4, 8),
            MaxRounds = random.Next(1, 12),
            MinRounds = random.Next(0, 4),
            MaxEmptyDeadlines = random.Next(1, 4),
        };
        var world = new World(settings);
        var accepted = new Dictionary<(ClientId, int Round), ClientUpdate>();
        double deafness = random.NextDouble() * 0.3;
        for (int step = 0; step < 300 && world.Run.Completion is null; step++)
        {
            var before = world.Now;
            Count(verdicts, Event(world, random, accepted, deafness));
            Check(world, before, accepted);
        }

        // From here on no client says anything any more: deadlines alone bring the end.
        for (int i = 0; world.Run.Completion is null && world.Now.Phase != FederationPhase.WaitingForClients; i++)
        {
            Assert.True(i < 2 * settings.MaxRounds + settings.MaxEmptyDeadlines, "no deadline ended it");
            Assert.NotNull(world.Run.UntilDeadline);
            world.PassDeadline();
        }
        if (world.Run.Completion is { } end) ends[end] = ends.GetValueOrDefault(end) + 1;
    }

    private static MessageVerdict Event(
        World world, Random random, Dictionary<(ClientId, int Round), ClientUpdate> accepted, double deafness)
    {
        int client = random.Next(1, 9);
        int round = random.NextDouble() < 0.8 ? world.Now.Round : world.Now.Round + random.Next(-2, 3);
        switch (random.Next(20))
        {
            case < 3:
                return world.Join(client, random.Next(2));
            case 3 when random.NextDouble() < 0.5:
                world.Run.Leave(random.Next(2), Some.Id(client), "left");
                return MessageVerdict.Accepted;
            case 4 when random.NextDouble() < deafness:
                if (world.Run.UntilDeadline is not null) world.PassDeadline();
                return MessageVerdict.Accepted;
            case 5 when random.NextDouble() < 0.2:
                world.Run.Unreadable(0, random.Next(2) == 0 ? null : Some.Id(client), "garbage");
                return MessageVerdict.Refused;
            case 6 when random.NextDouble() < 0.05:
                world.Run.HandlerGone(1, "failed");
                return MessageVerdict.Accepted;
            case < 13:
                var update = Some.Update(
                    client, round, random.NextDouble() < 0.1 ? float.NaN : random.Next(-9, 10), random.Next(1, 50));
                var verdict = world.Update(update);
                if (verdict == MessageVerdict.Accepted)
                    Assert.True(
                        accepted.TryAdd((update.Client, update.Round), update),
                        $"{update.Client} counted twice in {update.Round}");
                return verdict;
            default:
                return world.Evaluate(client, round, random.NextDouble() < 0.05 ? double.NaN : random.NextDouble(), 0.5,
                    1, random.NextDouble() < 0.6);
        }
    }

    private static void Check(
        World world, FederationSnapshot before, Dictionary<(ClientId, int Round), ClientUpdate> accepted)
    {
        var now = world.Now;
        Assert.True(now.Round - before.Round is 0 or 1);
        Assert.True(now.Clients.Count <= world.Settings.MaxClients);
        Assert.Equal(accepted.Count, now.Counts.Updates);
        Assert.Equal(
            now.Phase is FederationPhase.Training or FederationPhase.Evaluating, world.Run.UntilDeadline is not null);
        // No client awaited, and yet no progress: only where there is nothing to go on with.
        if (now is { Phase: FederationPhase.Training, Awaited: 0 }) Assert.Equal(0, now.Received);
        if (now.Phase == FederationPhase.Evaluating) Assert.True(now.Awaited > 0);
        Assert.Equal(Enumerable.Range(1, now.Rounds.Count), now.Rounds.Select(result => result.Round));
        if (now.Rounds.Count == before.Rounds.Count) return;

        var result = world.Last;
        var updates = accepted.Where(pair => pair.Key.Round == result.Round).Select(pair => pair.Value).ToArray();
        Assert.Equal(
            (updates.Length, updates.Sum(update => (long)update.NumSamples)), (result.Updates, result.Samples));
        double mean = updates.Sum(
            update => (double)update.Weights.Values[0] * update.NumSamples) / updates.Sum(update => update.NumSamples);
        Assert.Equal(mean, world.Run.Model.Values[0], 1e-6);
    }

    private static void Count(Dictionary<MessageVerdict, int> verdicts, MessageVerdict verdict)
        => verdicts[verdict] = verdicts.GetValueOrDefault(verdict) + 1;
}
