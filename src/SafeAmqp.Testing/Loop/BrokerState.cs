using SafeAmqp.Testing.Connections;
using SafeAmqp.Testing.Faults;
using SafeAmqp.Testing.Observation;
using SafeAmqp.Testing.Routing;

namespace SafeAmqp.Testing.Loop;

/// <summary>All that the broker knows. Only the loop touches it.</summary>
internal sealed class BrokerState
{
    private readonly List<Transport.Peer> _dirty = [];
    private readonly List<Connection> _toConfirm = [];
    private readonly Queue<Action> _atBatchEnd = new();
    private long _nextConnection;

    public BrokerState(AmqpTestBrokerOptions options)
    {
        Options = options;
        Rules = new VersionRules(options.Version);
        Loop = new BrokerLoop(options.TimeProvider).WithTimers();
        Random = new Random(options.Seed);
        History = new History(this);
        Faults = new FaultBook(this);
        Memory = new MemoryWatch(this);
        Users.Add(options.UserName, options.Password);
        AddVirtualHost("/");
        Users.Find(options.UserName)!.Permit("/", NamePattern.Any, NamePattern.Any, NamePattern.Any);
        Loop.BatchEnded = BatchEnded;
        Loop.Crashed = Crash;
    }

    public AmqpTestBrokerOptions Options { get; }

    public VersionRules Rules { get; }

    public BrokerLoop Loop { get; }

    public MethodWriter Writer { get; } = new();

    /// <summary>Generated names come from the seed, so that two runs of one script give the same ones.</summary>
    public Random Random { get; }

    public Users Users { get; } = new();

    public Dictionary<string, VirtualHost> VirtualHosts { get; } = [];

    public List<Connection> Connections { get; } = [];

    public History History { get; }

    public FaultBook Faults { get; }

    public MemoryWatch Memory { get; }

    /// <summary>Why publishers are blocked; null when they are not.</summary>
    public string? Alarm { get; private set; }

    /// <summary>The broker is up: connections are answered.</summary>
    public bool IsRunning { get; set; }

    public long NextConnection() => ++_nextConnection;

    public void AddVirtualHost(string name) => VirtualHosts.TryAdd(name, new VirtualHost(name, this));

    public void MarkDirty(Transport.Peer peer) => _dirty.Add(peer);

    /// <summary>Its confirms go out at the end of the batch.</summary>
    public void ConfirmLater(Connection connection) => _toConfirm.Add(connection);

    /// <summary>Does something when all that is at hand has been read.</summary>
    public void AtBatchEnd(Action action) => _atBatchEnd.Enqueue(action);

    public string NewName(string prefix)
    {
        Span<byte> bytes = stackalloc byte[16];
        Random.NextBytes(bytes);
        return prefix + Convert.ToBase64String(bytes).TrimEnd('=').Replace('+', '-').Replace('/', '_');
    }

    /// <summary>Raises or lowers the alarm that stops publishers (RabbitMQ's connection.blocked).</summary>
    public void SetAlarm(string? reason)
    {
        Alarm = reason;
        if (reason is not null)
            return;
        foreach (Connection connection in Connections.ToArray())
            connection.Unblock();
    }

    private void BatchEnded()
    {
        while (_atBatchEnd.TryDequeue(out Action? action))
        {
            action();
            Loop.RunLater();
        }
        foreach (Connection connection in _toConfirm)
            connection.FlushConfirms();
        _toConfirm.Clear();
        for (int i = 0; i < _dirty.Count; i++)
            _dirty[i].Flush();
        _dirty.Clear();
        History.BatchEnded();
    }

    private void Crash(Exception error) => History.Crashed(error);
}
