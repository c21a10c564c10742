using LocalBroker;
using SafeAmqp.Chaos.Running;

namespace SafeAmqp.Chaos.Faults;

/// <summary>What happens to nodes: killed, ended, restarted, frozen, drained, cut off from each other.</summary>
internal static class NodeFaults
{
    internal static IEnumerable<FaultKind> All =>
    [
        FaultKind.ThatLosesLinks(
            "node killed", (stage, plan) => KillAsync(stage, plan, stage.Arena.Nodes[stage.Arena.Busy(plan.Pick)])),
        FaultKind.SeenByItself("leader killed", LeaderKilledAsync),
        FaultKind.ThatLosesLinks(
            "majority killed",
            (stage, plan) => KillAsync(stage, plan, [.. stage.Arena.Nodes.Where((_, node) => node != plan.Pick % 3)])),
        FaultKind.ThatLosesLinks("all nodes killed", (stage, plan) => KillAsync(stage, plan, [.. stage.Arena.Nodes])),
        FaultKind.ThatLosesLinks("node terminated", TerminateAsync),
        FaultKind.ThatLosesLinks("app restarted", RestartAppAsync),
        FaultKind.Noticed("node frozen briefly", (stage, plan) => FreezeAsync(stage, plan, plan.Between(1, 2.5)),
            (seen, plan) => seen.LinksLost > 0 || seen.Slowest > plan.Between(1, 2.5).TotalMilliseconds / 2),
        FaultKind.ThatLosesLinks("node frozen long", (stage, plan) => FreezeAsync(stage, plan, plan.Between(8, 10))),
        FaultKind.ThatLosesLinks("node drained", DrainAsync),
        FaultKind.SeenByItself("leader moved", LeaderMovedAsync),
        FaultKind.SeenByItself("member removed", MemberRemovedAsync),
        FaultKind.ThatLosesLinks("node cut off", CutOffAsync),
    ];

    private static async Task KillAsync(Stage stage, FaultPlan plan, params PrivateRabbitMqNode[] nodes)
    {
        Array.ForEach(nodes, stage.Arena.Away);
        await Task.WhenAll(nodes.Select(node => node.KillAsync()));
        await Task.Delay(plan.Between(0.2, 2));
        await Task.WhenAll(nodes.Select(Arena.StartAgainAsync)); // at once: one waits for the other
        Array.ForEach(nodes, stage.Arena.Back);
    }

    private static async Task<bool> LeaderKilledAsync(Stage stage, FaultPlan plan)
    {
        PrivateRabbitMqNode? leader = await stage.Arena.LeaderAsync(Arena.Ordered);
        if (leader is null)
            return false;
        stage.Arena.Away(leader);
        stage.Witnesses.Strike(); // from the kill on, not from looking for the leader
        await leader.KillAsync();
        await Task.Delay(plan.Between(2, 4));
        PrivateRabbitMqNode? next = await stage.Arena.LeaderAsync(Arena.Ordered);
        await Arena.StartAgainAsync(leader);
        stage.Arena.Back(leader);
        return next is not null && next != leader;
    }

    private static async Task TerminateAsync(Stage stage, FaultPlan plan)
    {
        PrivateRabbitMqNode node = stage.Arena.Nodes[stage.Arena.Busy(plan.Pick)];
        stage.Arena.Away(node);
        await node.StopAsync();
        await Task.Delay(plan.Between(0.1, 1));
        await Arena.StartAgainAsync(node);
        stage.Arena.Back(node);
    }

    private static async Task RestartAppAsync(Stage stage, FaultPlan plan)
    {
        PrivateRabbitMqNode node = stage.Arena.Nodes[stage.Arena.Busy(plan.Pick)];
        stage.Arena.Away(node);
        await node.StopAppAsync();
        await Task.Delay(plan.Between(0.1, 1));
        await node.StartAppAsync();
        stage.Arena.Back(node);
    }

    private static async Task FreezeAsync(Stage stage, FaultPlan plan, TimeSpan hold)
    {
        PrivateRabbitMqNode node = stage.Arena.Nodes[stage.Arena.Busy(plan.Pick)];
        stage.Arena.Away(node);
        await node.PauseAsync();
        await Task.Delay(hold);
        await node.ResumeAsync();
        stage.Arena.Back(node);
    }

    // As an operator does before an upgrade: the node closes its connections, accepts no others and hands its leaders
    // over.
    private static async Task DrainAsync(Stage stage, FaultPlan plan)
    {
        PrivateRabbitMqNode node = stage.Arena.Nodes[stage.Arena.Busy(plan.Pick)];
        await Arena.CtlAsync(node, "eval", "rabbit_maintenance:drain().");
        await Task.Delay(plan.Between(0.5, 2));
        await Arena.CtlAsync(node, "eval", "rabbit_maintenance:revive().");
    }

    private static async Task<bool> LeaderMovedAsync(Stage stage, FaultPlan plan)
    {
        PrivateRabbitMqNode? leader = await stage.Arena.LeaderAsync(Arena.Ordered);
        if (leader is null)
            return false;
        PrivateRabbitMqNode target = stage.Arena.Nodes.Where(node => node != leader).ElementAt(plan.Pick % 2);
        await stage.Arena.CtlAsync("eval", $"ra:transfer_leadership({{'%2F_{Arena.Ordered}', "
            + $"'{leader.Name}'}}, {{'%2F_{Arena.Ordered}', '{target.Name}'}}).");
        return await Arena.UntilAsync(
            async () => await stage.Arena.LeaderAsync(Arena.Ordered) is { } now && now != leader,
            TimeSpan.FromSeconds(10));
    }

    private static async Task<bool> MemberRemovedAsync(Stage stage, FaultPlan plan)
    {
        PrivateRabbitMqNode node = stage.Arena.Nodes[plan.Pick % 3];
        PrivateRabbitMqNode other = stage.Arena.Nodes[(plan.Pick + 1) % 3];
        string removed = await Arena.CtlAsync(
            other, "eval", $"rabbit_quorum_queue:delete_member(<<\"/\">>, <<\"{Arena.Rough}\">>, '{node.Name}').");
        await Task.Delay(plan.Between(0.5, 2));
        string added = "";
        // Refused while the cluster change before it is not yet done.
        await Arena.UntilAsync(async () => (added = await Arena.CtlAsync(
            other, "eval", $"rabbit_quorum_queue:add_member(<<\"/\">>, <<\"{Arena.Rough}\">>, '{node.Name}', 5000)."))
            .Contains("ok", StringComparison.Ordinal), TimeSpan.FromSeconds(15));
        return removed.Contains("ok", StringComparison.Ordinal) && added.Contains("ok", StringComparison.Ordinal);
    }

    // A partition without root: the node takes wrong cookies for the others, so that no link between them comes up
    // again. It sees itself in the minority and pauses until it can reach one of them.
    private static async Task CutOffAsync(Stage stage, FaultPlan plan)
    {
        PrivateRabbitMqNode node = stage.Arena.Nodes[stage.Arena.Busy(plan.Pick)];
        string others = string.Join(
            ',', stage.Arena.Nodes.Where(other => other != node).Select(other => $"'{other.Name}'"));
        stage.Arena.Away(node);
        await Arena.CtlAsync(
            node, "eval", $"[begin erlang:set_cookie(N, wrong), erlang:disconnect_node(N) end || N <- [{others}]].");
        await Arena.UntilAsync(async () => !await Arena.AnswersAsync(node), TimeSpan.FromSeconds(20));
        await Task.Delay(plan.Between(1, 4));
        await Arena.CtlAsync(node, "eval", $"[erlang:set_cookie(N, erlang:get_cookie()) || N <- [{others}]].");
        await Arena.UntilAsync(() => Arena.AnswersAsync(node), TimeSpan.FromSeconds(30));
        stage.Arena.Back(node);
    }
}
