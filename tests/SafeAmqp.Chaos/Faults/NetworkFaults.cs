using SafeAmqp.Chaos.Running;

namespace SafeAmqp.Chaos.Faults;

/// <summary>What happens on the way: reset, cut, frozen, slow, gone. All by the proxies in this process.</summary>
internal static class NetworkFaults
{
    internal static IEnumerable<FaultKind> All =>
    [
        FaultKind.ThatLosesLinks("reset", (stage, plan) => ResetAsync(stage, [Proxy(stage, plan)])),
        FaultKind.ThatLosesLinks("reset everywhere", (stage, _) => ResetAsync(stage, stage.Arena.Proxies)),
        FaultKind.ThatLosesLinks("half-open", HalfOpenAsync),
        Stalled("stalled to the broker", proxy => proxy.ToBroker),
        Stalled("stalled to the client", proxy => proxy.ToClient),
        FaultKind.ThatLosesLinks(
            "cut on the way to the broker",
            (stage, plan) => CutAsync(stage, proxy => proxy.ToBroker, plan.Upto(20_000))),
        FaultKind.ThatLosesLinks(
            "cut on the way to the client",
            (stage, plan) => CutAsync(stage, proxy => proxy.ToClient, plan.Upto(2_000))),
        FaultKind.Noticed("slow", SlowAsync, (seen, plan) => seen.LinksLost > 0
            || seen.Slowest > plan.Between(0.08, 0.2).TotalMilliseconds),
        FaultKind.Noticed("narrow", NarrowAsync, (seen, _) => seen.LinksLost > 0 || seen.Slowest > 250),
        FaultKind.SeenByItself("byte by byte", BytewiseAsync),
        FaultKind.ThatLosesLinks("unreachable", UnreachableAsync),
        FaultKind.ThatLosesLinks("flapping", FlapAsync),
    ];

    private static FaultProxy Proxy(Stage stage, FaultPlan plan) => stage.Arena.Proxies[stage.Arena.Busy(plan.Pick)];

    // For what shows only in how long publishes take. Connections that only receive may be all that a node has.
    private static Task<FaultProxy> PublishersProxyAsync(Stage stage)
        => BusiestAsync(stage, proxy => proxy.ToBroker, 20_000);

    // Where the most passes in a direction, once that is as much as said.
    private static async Task<FaultProxy> BusiestAsync(
        Stage stage, Func<FaultProxy, FaultProxy.Flow> direction, long bytes)
    {
        IReadOnlyList<FaultProxy> proxies = stage.Arena.Proxies;
        long[] before = [.. proxies.Select(proxy => direction(proxy).Passed)];
        long Passed(int node) => direction(proxies[node]).Passed - before[node];
        int[] nodes = [.. Enumerable.Range(0, proxies.Count)];
        await Arena.UntilAsync(() => nodes.Any(node => Passed(node) > bytes), TimeSpan.FromSeconds(5));
        return proxies[nodes.MaxBy(Passed)];
    }

    private static async Task ResetAsync(Stage stage, IReadOnlyList<FaultProxy> proxies)
    {
        int reset = 0;
        foreach (FaultProxy proxy in proxies)
            reset += proxy.Reset();
        await stage.UntilLinkLostAsync(Math.Min(1, reset), TimeSpan.FromSeconds(10));
    }

    // Nothing is read in either direction and nothing is closed: only silence tells. Detected means lost by the
    // client's own watchdog.
    private static async Task HalfOpenAsync(Stage stage, FaultPlan plan)
    {
        FaultProxy proxy = Proxy(stage, plan);
        int frozen = proxy.FreezeOpenConnections();
        await stage.UntilLinkLostAsync(frozen, TimeSpan.FromSeconds(12));
        // the broker still holds what was in flight, and its end of the connection
        await Task.Delay(plan.Between(0, 3));
        proxy.ResetFrozen();
    }

    private static FaultKind Stalled(string name, Func<FaultProxy, FaultProxy.Flow> direction) => FaultKind.Noticed(
        name, async (stage, plan) =>
    {
        FaultProxy.Flow flow = direction(await PublishersProxyAsync(stage));
        flow.Paused = true;
        await Task.Delay(plan.Between(1, 3));
        flow.Paused = false;
    }, (seen, plan) => seen.LinksLost > 0 || seen.Slowest > plan.Between(1, 3).TotalMilliseconds / 2);

    private static async Task CutAsync(Stage stage, Func<FaultProxy, FaultProxy.Flow> direction, int after)
    {
        FaultProxy proxy = await BusiestAsync(stage, direction, after);
        direction(proxy).CutAfter(after);
        await stage.UntilLinkLostAsync(1, TimeSpan.FromSeconds(10));
    }

    private static async Task SlowAsync(Stage stage, FaultPlan plan)
    {
        FaultProxy proxy = await PublishersProxyAsync(stage);
        proxy.ToBroker.Delay = proxy.ToClient.Delay = plan.Between(0.05, 0.15);
        await Task.Delay(plan.Between(2, 4));
        proxy.ToBroker.Delay = proxy.ToClient.Delay = TimeSpan.Zero;
    }

    private static async Task NarrowAsync(Stage stage, FaultPlan plan)
    {
        FaultProxy proxy = await PublishersProxyAsync(stage);
        proxy.ToBroker.Rate = proxy.ToClient.Rate = 20_000 + plan.Upto(40_000);
        await Task.Delay(plan.Between(2, 4));
        proxy.ToBroker.Rate = proxy.ToClient.Rate = 0;
    }

    private static async Task<bool> BytewiseAsync(Stage stage, FaultPlan plan)
    {
        FaultProxy proxy = await PublishersProxyAsync(stage);
        long before = proxy.ToBroker.Passed + proxy.ToClient.Passed;
        bool HasEffect() => proxy.ToBroker.Passed + proxy.ToClient.Passed > before + 1000;
        proxy.ToBroker.OneByteAtATime = proxy.ToClient.OneByteAtATime = true;
        await Task.Delay(plan.Between(0.5, 1));
        await Arena.UntilAsync(HasEffect, TimeSpan.FromSeconds(5));
        proxy.ToBroker.OneByteAtATime = proxy.ToClient.OneByteAtATime = false;
        return HasEffect();
    }

    private static async Task UnreachableAsync(Stage stage, FaultPlan plan)
    {
        FaultProxy proxy = Proxy(stage, plan);
        proxy.Refuse = true;
        proxy.Reset();
        await Task.Delay(plan.Between(1, 4));
        proxy.Refuse = false;
    }

    private static async Task FlapAsync(Stage stage, FaultPlan plan)
    {
        for (int i = 0; i < 10; i++)
        {
            foreach (FaultProxy proxy in stage.Arena.Proxies)
            {
                proxy.Refuse = i % 2 == 0;
                if (proxy.Refuse)
                    proxy.Reset();
            }
            await Task.Delay(plan.Between(0.1, 0.3));
        }
        foreach (FaultProxy proxy in stage.Arena.Proxies)
            proxy.Refuse = false;
    }
}
