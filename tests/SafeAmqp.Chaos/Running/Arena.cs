using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using LocalBroker;

namespace SafeAmqp.Chaos.Running;

/// <summary>The cluster, a faulty proxy before each of its nodes, and the accounts and queues of the run.</summary>
internal sealed class Arena : IAsyncDisposable
{
    internal const string User = "chaos", Tenant = "tenant", Exchange = "chaos.x";
    internal const string Ordered = "chaos.ordered", Rough = "chaos.rough", Classic = "chaos.classic",
        Doomed = "chaos.doomed", TenantQueue = "tenant.own",
        Requests = "chaos.requests", Replies = "chaos.replies";

    private const int DiskLimitMegabytes = 50;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly PrivateRabbitMqCluster _cluster;
    private readonly HashSet<PrivateRabbitMqNode> _down = [];

    private Arena(PrivateRabbitMqCluster cluster)
    {
        _cluster = cluster;
        Proxies = [.. cluster.Nodes.Select(node => new FaultProxy(node.Port))];
        TenantPassword = NewSecret();
    }

    internal IReadOnlyList<PrivateRabbitMqNode> Nodes => _cluster.Nodes;

    internal IReadOnlyList<FaultProxy> Proxies { get; }

    internal string UserPassword { get; } = NewSecret();

    /// <summary>What the tenant's client is told when it asks.</summary>
    internal string TenantPassword { get; set; }

    internal static async Task<Arena> StartAsync(CancellationToken cancellationToken)
    {
        var arena = new Arena(await PrivateRabbitMqCluster.StartAsync(3, new PrivateRabbitMqNodeOptions
        {
            Schedulers = 1,
            DiskFreeLimitMegabytes = DiskLimitMegabytes,
            ConsumerTimeout = TimeSpan.FromSeconds(12),
            ChannelTickInterval = TimeSpan.FromSeconds(1),
            ConfigurationLines = ["cluster_partition_handling = pause_minority", "raft.wal_max_size_bytes = 33554432"],
        }, cancellationToken));
        await arena.AddUserAsync(User, arena.UserPassword);
        await arena.AddUserAsync(Tenant, arena.TenantPassword);
        return arena;
    }

    internal static string NewSecret() => $"cAnAry{RandomNumberGenerator.GetHexString(20)}";

    internal async Task AddUserAsync(string user, string password)
    {
        await CtlAsync("add_user", user, password);
        await PermitAsync(user);
    }

    internal Task PermitAsync(string user) => CtlAsync("set_permissions", user, ".*", ".*", ".*");

    /// <summary>Options of a client whose first node is this one; the others are tried in turn.</summary>
    internal AmqpClientOptions Options(int node) => new()
    {
        Uri = $"amqp://127.0.0.1:{Proxies[node].Port}/",
        Hosts = [.. Enumerable.Range(1, Proxies.Count - 1)
            .Select(step => $"127.0.0.1:{Proxies[(node + step) % Proxies.Count].Port}")],
        UserName = User,
        Password = UserPassword,
        Heartbeat = TimeSpan.FromSeconds(4),
        ConnectTimeout = TimeSpan.FromSeconds(2),
        PublishTimeout = Load.Publisher.Deadline,
        MaxReconnectDelay = TimeSpan.FromSeconds(1),
        RefusedReconnectDelay = TimeSpan.FromSeconds(1),
        ShutdownTimeout = TimeSpan.FromSeconds(2),
    };

    /// <summary>Runs rabbitmqctl on a node that is up.</summary>
    internal Task<string> CtlAsync(params string[] arguments) => CtlAsync(Nodes.First(IsUp), arguments);

    internal static Task<string> CtlAsync(PrivateRabbitMqNode node, params string[] arguments)
        => node.RabbitMqCtlAsync(arguments);

    /// <summary>
    /// Runs rabbitmqctl for something that changes nothing: on a machine that is too busy for it to end in its time,
    /// again.
    /// </summary>
    private static async Task<string> AskAsync(PrivateRabbitMqNode node, params string[] arguments)
    {
        for (int left = 4; ; left--)
        {
            try
            {
                return await CtlAsync(node, arguments);
            }
            catch (PrivateRabbitMqNodeException) when (left > 0)
            {
                // Said when there is no time left.
            }
        }
    }

    internal bool IsUp(PrivateRabbitMqNode node)
    {
        lock (_down)
            return !_down.Contains(node);
    }

    /// <summary>A node that is meant to be away: rabbitmqctl goes to another.</summary>
    internal void Away(PrivateRabbitMqNode node)
    {
        lock (_down)
            _down.Add(node);
    }

    internal void Back(PrivateRabbitMqNode node)
    {
        lock (_down)
            _down.Remove(node);
    }

    /// <summary>The n-th of the nodes that clients are connected to: a fault elsewhere would hit no client.</summary>
    internal int Busy(int n)
    {
        int[] busy = [.. Enumerable.Range(0, Proxies.Count).Where(node => Proxies[node].Open > 0)];
        return busy.Length == 0 ? n % Proxies.Count : busy[n % busy.Length];
    }

    /// <summary>The node that leads a quorum queue.</summary>
    internal async Task<PrivateRabbitMqNode?> LeaderAsync(string queue)
    {
        string answer = await CtlAsync(
            "eval", $"case ra:members({{'%2F_{queue}', node()}}, 5000) of {{ok, _, {{_, N}}}} -> N; _ -> none end.");
        return Nodes.FirstOrDefault(node => node.Name == answer.Trim().Trim('\''));
    }

    internal Task SetMemoryAlarmAsync(PrivateRabbitMqNode node, bool raised) => node.SetMemoryAlarmAsync(raised);

    internal Task SetDiskAlarmAsync(PrivateRabbitMqNode node, bool raised)
        => CtlAsync(node, "set_disk_free_limit", raised
            ? "100000GB"
            : string.Create(CultureInfo.InvariantCulture, $"{DiskLimitMegabytes}MB"));

    /// <summary>
    /// Starts a node as its service does: once more when it ends while it starts, as it does when the others take too
    /// long to answer it.
    /// </summary>
    internal static async Task StartAgainAsync(PrivateRabbitMqNode node)
    {
        for (int left = 2; ; left--)
        {
            try
            {
                await node.StartAgainAsync();
                return;
            }
            catch (PrivateRabbitMqNodeException ended) when (left > 0 && node.HasEnded)
            {
                Console.Error.WriteLine($"{node.Name} is started once more: {ended.Message}");
            }
        }
    }

    /// <summary>
    /// Starts whatever does not run, ends partitions that stayed, waits until all nodes are in one cluster.
    /// </summary>
    internal async Task MendAsync()
    {
        foreach (PrivateRabbitMqNode node in Nodes)
        {
            if (node.HasEnded)
                await StartAgainAsync(node);
            string state = await AskAsync(
                node, "eval", "{rabbit:is_running(), [] =/= rabbit_node_monitor:partitions()}.");
            if (state.Contains("true}", StringComparison.Ordinal))
                await node.StopAppAsync();
            if (!state.Contains("{true,false}", StringComparison.Ordinal))
                await node.StartAppAsync();
            Back(node);
        }
        await UntilAsync(
            async () => (await AskAsync(Nodes.First(IsUp), "eval", "length(rabbit_nodes:all_running()).")).Trim()
                == Nodes.Count.ToString(CultureInfo.InvariantCulture),
            Patience);
    }

    /// <summary>The messages that are left, by the broker's own count.</summary>
    internal async Task<IReadOnlyDictionary<string, int>> MessagesAsync()
    {
        string list = await AskAsync(Nodes.First(IsUp), "list_queues", "--no-table-headers", "name", "messages");
        return list.Split('\n').Select(line => line.Split('\t'))
            .Where(columns => columns.Length == 2 && int.TryParse(columns[1], out _))
            .ToDictionary(columns => columns[0], columns => int.Parse(columns[1], CultureInfo.InvariantCulture));
    }

    internal async Task<int> ConnectionsAsync() => (await Nodes[0].ListConnectionsAsync()).Count;

    internal static async Task<bool> AnswersAsync(PrivateRabbitMqNode node)
    {
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(IPAddress.Loopback, node.Port);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    internal static async Task<bool> UntilAsync(Func<Task<bool>> condition, TimeSpan limit)
    {
        long start = TimeProvider.System.GetTimestamp();
        while (!await condition())
        {
            if (TimeProvider.System.GetElapsedTime(start) > limit)
                return false;
            await Task.Delay(20);
        }
        return true;
    }

    internal static Task<bool> UntilAsync(Func<bool> condition, TimeSpan limit)
        => UntilAsync(() => Task.FromResult(condition()), limit);

    public async ValueTask DisposeAsync()
    {
        foreach (FaultProxy proxy in Proxies)
            await proxy.DisposeAsync();
        await _cluster.DisposeAsync();
    }
}
