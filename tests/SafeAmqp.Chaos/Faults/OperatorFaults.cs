using LocalBroker;
using SafeAmqp.Chaos.Checking;
using SafeAmqp.Chaos.Running;

namespace SafeAmqp.Chaos.Faults;

/// <summary>What people do: close, block, revoke, rotate, delete; and what a process does to its own client.</summary>
internal static class OperatorFaults
{
    internal static IEnumerable<FaultKind> All =>
    [
        FaultKind.ThatLosesLinks("connection closed", CloseOneAsync),
        FaultKind.ThatLosesLinks(
            "connections closed",
            (stage, plan) => stage.Arena.Nodes[stage.Arena.Busy(plan.Pick)].CloseAllConnectionsAsync("chaos")),
        FaultKind.ThatLosesLinks("channel crashed", CrashChannelAsync),
        FaultKind.Noticed("exchange deleted", DeleteExchangeAsync, (seen, _) => seen.Refused > 0),
        // Told by basic.cancel, or by 541, over which a channel ends that hears of the queue's end when there is none
        // of that name.
        FaultKind.Noticed(FaultKind.QueueDeleted, (stage, _) => DeleteQueueAsync(stage), (seen, _) =>
            seen.ConsumersLost > 0 || seen.LinksLost > 0),
        Alarm("memory alarm", (arena, node, raised) => arena.SetMemoryAlarmAsync(node, raised)),
        Alarm("disk alarm", (arena, node, raised) => arena.SetDiskAlarmAsync(node, raised)),
        FaultKind.Noticed("permissions revoked", RevokeAsync, (seen, _) => seen.Refused > 0),
        FaultKind.Noticed("password changed", ChangePasswordAsync, (seen, _) => seen.CredentialsRefused > 0),
        FaultKind.Noticed(
            "user deleted", DeleteUserAsync, (seen, _) => seen.LinksLost > 0 && seen.CredentialsRefused > 0),
        FaultKind.Noticed("connections forbidden", ForbidAsync, (seen, _) => seen.LinksLost > 0),
        FaultKind.Noticed("handler hangs", HangAsync, (seen, _) => seen is { DeliveriesLost: > 0, ConsumersLost: > 0 }),
        FaultKind.SeenByItself("client disposed", DisposeAsync),
        FaultKind.SeenByItself("threads starved", StarveAsync),
    ];

    private static async Task CloseOneAsync(Stage stage, FaultPlan plan)
    {
        IReadOnlyList<BrokerConnection> connections = await stage.Arena.Nodes[0].ListConnectionsAsync();
        if (connections.Count > 0)
            await stage.Arena.Nodes[0].CloseConnectionAsync(connections[plan.Pick % connections.Count].Pid, "chaos");
        await stage.UntilLinkLostAsync(1, TimeSpan.FromSeconds(10));
    }

    // A bug in the broker, as it were: its connection answers 541, internal error.
    private static async Task CrashChannelAsync(Stage stage, FaultPlan plan)
    {
        PrivateRabbitMqNode node = stage.Arena.Nodes[stage.Arena.Busy(plan.Pick)];
        await Arena.CtlAsync(node, "eval", "case rabbit_channel:list_local() of [] -> none; "
            + $"L -> exit(lists:nth(1 + {plan.Pick} rem length(L), L), kill) end.");
        await stage.UntilLinkLostAsync(1, TimeSpan.FromSeconds(10));
    }

    private static async Task DeleteExchangeAsync(Stage stage, FaultPlan plan)
    {
        await stage.Arena.CtlAsync("eval", "rabbit_exchange:delete(rabbit_misc:r(<<\"/\">>, "
            + $"exchange, <<\"{Arena.Exchange}\">>), false, <<\"chaos\">>).");
        await Task.Delay(plan.Between(0.3, 1.5));
        await stage.RedeclareAsync();
    }

    private static Task<string> DeleteQueueAsync(Stage stage) => stage.Arena.CtlAsync("delete_queue", Arena.Doomed);

    private static FaultKind Alarm(string name, Func<Arena, PrivateRabbitMqNode, bool, Task> set) => FaultKind.Noticed(
        name, async (stage, plan) =>
    {
        PrivateRabbitMqNode node = stage.Arena.Nodes[plan.Pick % 3];
        await set(stage.Arena, node, true);
        await Task.Delay(plan.Between(1, 3));
        await set(stage.Arena, node, false);
    }, (seen, _) => seen.Blocked > 0);

    // A busy channel remembers what it may do, so the connections are closed as well: publishing is refused on the
    // next, consuming is not.
    private static async Task RevokeAsync(Stage stage, FaultPlan plan)
    {
        await stage.Arena.CtlAsync("set_permissions", Arena.Tenant, ".*", "^$", ".*");
        await CloseTenantAsync(stage);
        await Arena.UntilAsync(() => stage.Witnesses.Seen.Refused > 0, TimeSpan.FromSeconds(10));
        await Task.Delay(plan.Between(0, 1.5));
        await stage.Arena.PermitAsync(Arena.Tenant);
    }

    private static async Task ChangePasswordAsync(Stage stage, FaultPlan plan)
    {
        string next = Arena.NewSecret();
        stage.Witnesses.AddSecret(next);
        await stage.Arena.CtlAsync("change_password", Arena.Tenant, next);
        await CloseTenantAsync(stage);
        await Arena.UntilAsync(() => stage.Witnesses.Seen.CredentialsRefused > 0, TimeSpan.FromSeconds(10));
        await Task.Delay(plan.Between(0, 1));
        stage.Arena.TenantPassword = next; // the client asks for it before each attempt
    }

    private static async Task DeleteUserAsync(Stage stage, FaultPlan plan)
    {
        await stage.Arena.CtlAsync("delete_user", Arena.Tenant);
        await Arena.UntilAsync(() => stage.Witnesses.Seen.CredentialsRefused > 0, TimeSpan.FromSeconds(10));
        await Task.Delay(plan.Between(0, 1));
        await stage.Arena.AddUserAsync(Arena.Tenant, stage.Arena.TenantPassword);
    }

    private static async Task ForbidAsync(Stage stage, FaultPlan plan)
    {
        await stage.Arena.CtlAsync("set_user_limits", Arena.Tenant, """{"max-connections":0}""");
        await CloseTenantAsync(stage);
        await Task.Delay(plan.Between(1, 3));
        await stage.Arena.CtlAsync("clear_user_limits", Arena.Tenant, "all");
    }

    private static Task<string> CloseTenantAsync(Stage stage)
        => stage.Arena.CtlAsync("close_all_user_connections", Arena.Tenant, "chaos");

    // The broker's patience ends: 406 on that channel, its delivery goes to somebody else.
    private static async Task HangAsync(Stage stage, FaultPlan plan)
    {
        stage.Receiver.HangOnce();
        await Arena.UntilAsync(
            () => stage.Witnesses.Seen is { DeliveriesLost: > 0, ConsumersLost: > 0 }, TimeSpan.FromSeconds(25));
    }

    private static async Task<bool> DisposeAsync(Stage stage, FaultPlan plan)
    {
        int busy = stage.Victim.Client.Status.Links.Sum(
            link => link.UnconfirmedMessages + link.QueuedMessages + link.Consumers.Count);
        await stage.Victim.EndAsync(stage.Lag);
        await stage.Victim.StartAsync();
        return busy > 0;
    }

    // Every thread of the pool is taken and as many again wait. What the library does on time it does on a thread of
    // its own.
    private static async Task<bool> StarveAsync(Stage stage, FaultPlan plan)
    {
        long start = System.Diagnostics.Stopwatch.GetTimestamp();
        using var over = new ManualResetEventSlim();
        Task[] blocked = [.. Enumerable.Range(0, 64).Select(_ => Task.Run(() => over.Wait(TimeSpan.FromSeconds(30))))];
        await Task.Factory.StartNew(() =>
        {
            Thread.Sleep(plan.Between(1, 2.5));
            over.Set();
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        await Task.WhenAll(blocked);
        return stage.Lag.WorstSince(start) > 500;
    }
}
