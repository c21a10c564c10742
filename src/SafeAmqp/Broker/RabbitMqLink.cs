using SafeAmqp.Actor;
using SafeAmqp.Owner;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Broker;

/// <summary>The broker link over RabbitMQ.Client. Every call comes from the owner's thread, and every call into
/// RabbitMQ.Client is made on it. Publishes, settlements, basic.get and confirm.select bypass it, in frames of our
/// own. These are flushed before each call into it, so that everything leaves in order.</summary>
internal sealed class RabbitMqLink(IoThread owner, LinkConfig config, LinkEvents events) : IBrokerLink
{
    private readonly Dictionary<long, RabbitMqChannel> _channels = [];
    private readonly Lock _totalsGate = new();
    private BrokerSession? _session;
    private TransportTotals _totalsBefore;
    private Version? _brokerVersion;
    private LinkEndpoint _endpoint = new(config.Host(1).Name, config.Host(1).Port);

    internal IoThread Owner => owner;

    internal LinkConfig Config => config;

    internal LinkEvents Events => events;

    /// <summary>Where it is or was last connected to.</summary>
    internal LinkEndpoint Endpoint
    {
        get => Volatile.Read(ref _endpoint);
        set => Volatile.Write(ref _endpoint, value);
    }

    /// <inheritdoc/>
    public Version? BrokerVersion
    {
        get => Volatile.Read(ref _brokerVersion);
        internal set => Volatile.Write(ref _brokerVersion, value);
    }

    /// <summary>Completes when the last connection has been closed.</summary>
    internal Task Teardown { get; private set; } = Task.CompletedTask;

    public string Connect(int epoch, TimeSpan within)
    {
        owner.AssertOwner();
        _session = new BrokerSession(this, epoch, within);
        _session.Connect();
        return Config.Host(epoch).ToString();
    }

    public void Abandon(int epoch, bool politely)
    {
        owner.AssertOwner();
        _channels.Clear();
        if (_session is not { } session || session.Epoch != epoch)
            return;
        session.Outbox?.Flush();
        lock (_totalsGate)
        {
            _totalsBefore += session.Totals;
            _session = null;
        }
        Teardown = session.EndAsync(politely);
        Teardown.Forget();
    }

    public void OpenChannel(int epoch, long incarnation, bool confirms, int prefetch)
    {
        owner.AssertOwner();
        if (_session is not { Connection: { } connection, Outbox: { } outbox } session || session.Epoch != epoch)
            return; // the link is lost, which a signal says
        outbox.Flush();
        var channel = new RabbitMqChannel(this, outbox, incarnation);
        _channels.Add(incarnation, channel);
        channel.Open(connection, confirms, prefetch);
    }

    internal void Opened(ushort channel, long incarnation) => _session?.Opened(channel, incarnation);

    public void CloseChannel(long incarnation)
    {
        Flush();
        if (_channels.Remove(incarnation, out RabbitMqChannel? channel))
            channel.Close();
    }

    public PassResult Publish(long incarnation, in Outgoing message, int slot, out string? refusal)
    {
        refusal = null;
        return Find(incarnation)?.Publish(message, slot, out refusal) ?? PassResult.Closed;
    }

    public void Confirm(long incarnation) => Find(incarnation)?.Confirm();

    public void Settle(long incarnation, ulong tag, bool multiple, AmqpSettlement settlement)
        => Find(incarnation)?.Settle(tag, multiple, settlement);

    public void Get(long incarnation, string queue) => Find(incarnation)?.Get(queue);

    public void Flush()
    {
        owner.AssertOwner();
        _session?.Outbox?.Flush();
    }

    public void Ask(long incarnation, AdminRequest request)
    {
        Flush();
        Find(incarnation)?.Ask(request);
    }

    public void Consume(long incarnation, ConsumeRequest request)
    {
        Flush();
        Find(incarnation)?.Consume(request);
    }

    public void CancelConsumer(long incarnation)
    {
        Flush();
        Find(incarnation)?.CancelConsumer();
    }

    // Also read by callers that ask for the status.
    public LinkTraffic Traffic(int epoch)
        => _session is { } session && session.Epoch == epoch ? session.Traffic(owner.Clock) : default;

    /// <summary>What has moved over all connections so far. For metrics; not on the path of a message.</summary>
    internal TransportTotals Totals
    {
        get
        {
            lock (_totalsGate)
                return _session is { } session ? _totalsBefore + session.Totals : _totalsBefore;
        }
    }

    // A channel that is gone takes nothing: a signal says so.
    private RabbitMqChannel? Find(long incarnation)
    {
        owner.AssertOwner();
        return _channels.GetValueOrDefault(incarnation);
    }

    /// <summary>Passes a signal to the owner's thread.</summary>
    /// <returns>A completed task, for handlers of RabbitMQ.Client's events.</returns>
    internal Task Post(BrokerSignal signal)
    {
        owner.Post(signal);
        return Task.CompletedTask;
    }

    /// <summary>Starts a task, and continues on the owner's thread when it has completed, successfully or
    /// not.</summary>
    internal void Then(Func<Task> begin, Action<Task> next) => Then(begin, Task.FromException, next);

    /// <inheritdoc cref="Then(Func{Task}, Action{Task})"/>
    internal void Then<T>(Func<Task<T>> begin, Action<Task<T>> next) => Then(begin, Task.FromException<T>, next);

    private void Then<TTask>(Func<TTask> begin, Func<Exception, TTask> failed, Action<TTask> next) where TTask : Task
    {
        owner.AssertOwner();
        TTask task;
        try
        {
            task = begin();
        }
        catch (Exception error) // some of RabbitMQ.Client's methods throw before their first await
        {
            task = failed(error);
        }
        _ = task.ContinueWith(done =>
        {
            _ = done.Exception; // seen: the next step reads it
            owner.Post(new ShellStep(() => next(task)));
        }, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }
}
