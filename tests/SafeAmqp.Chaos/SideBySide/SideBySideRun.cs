using SafeAmqp.Chaos.Running;

namespace SafeAmqp.Chaos.SideBySide;

/// <summary>All seven, one after the other, on brokers of their own.</summary>
internal static class SideBySideRun
{
    internal static async Task<IReadOnlyList<Row>> RunAsync(Action<Row> each)
    {
        var rows = new List<Row>();
        await using (Bench bench = await Bench.StartAsync())
        {
            foreach (Comparison comparison in (Comparison[])
                [CancellationStorm.On(bench), SilentServer.Comparison, HalfOpen.On(bench), HostileTable.Comparison,
                    StarvedPool.On(bench), LateArrival.On(bench)])
                await AddAsync(comparison);
        }
        await using (Arena arena = await Arena.StartAsync(CancellationToken.None))
        {
            await LostLeader.DeclareAsync(arena);
            await AddAsync(LostLeader.On(arena));
        }
        return [.. rows.OrderBy(row => row.Name, StringComparer.Ordinal)];

        async Task AddAsync(Comparison comparison)
        {
            var row = new Row(
                comparison.Name, comparison.Trouble, await comparison.RawAsync(), await comparison.SafeAsync());
            rows.Add(row);
            each(row);
        }
    }
}
