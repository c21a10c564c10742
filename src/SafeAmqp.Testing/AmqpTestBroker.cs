using SafeAmqp.Testing.Connections;
using SafeAmqp.Testing.Faults;
using SafeAmqp.Testing.Observation;
using SafeAmqp.Testing.Routing;
using SafeAmqp.Testing.Transport;

namespace SafeAmqp.Testing;

/// <summary>
/// An AMQP 0-9-1 broker inside this process, for tests and demonstrations only: it behaves as RabbitMQ does, keeps everything in
/// memory, and fails on command. Every member may be called from any thread.
/// </summary>
public sealed class AmqpTestBroker : IAsyncDisposable
{
    private static readonly TimeSpan DefaultWait = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan CloseGrace = TimeSpan.FromSeconds(1);

    private readonly AmqpTestBrokerOptions _options;
    private readonly BrokerState _state;
    private readonly AmqpBrokerView _view;
    private readonly SemaphoreSlim _oneAtATime = new(1, 1);
    private Listener? _listener;
    private bool _disposed;

    private AmqpTestBroker(AmqpTestBrokerOptions options)
    {
        _options = options;
        _state = new BrokerState(options);
        _view = new AmqpBrokerView(_state);
        Port = options.Port;
    }

    /// <summary>The port on the loopback address; the same for the whole life of this object.</summary>
    public int Port { get; private set; }

    /// <summary>Where clients connect to, with user and password. The virtual host is written out (<c>%2F</c>): to some clients a lone slash is the empty name.</summary>
    public Uri Uri => new($"amqp://{System.Uri.EscapeDataString(_options.UserName)}:{System.Uri.EscapeDataString(_options.Password)}@127.0.0.1:{Port}/%2F");

    /// <summary>Starts a broker that listens on the loopback address only.</summary>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    /// <exception cref="System.Net.Sockets.SocketException">The port is taken.</exception>
    public static async Task<AmqpTestBroker> StartAsync(AmqpTestBrokerOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new AmqpTestBrokerOptions();
        options.Validate();
        var broker = new AmqpTestBroker(options);
        try
        {
            await broker.StartAgainAsync(cancellationToken).ConfigureAwait(false);
            return broker;
        }
        catch
        {
            await broker.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Starts the broker after <see cref="StopAsync"/> or <see cref="KillAsync"/>, on the same port, with what was durable and persistent.</summary>
    public async Task StartAgainAsync(CancellationToken cancellationToken = default)
    {
        await _oneAtATime.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_listener is not null)
                return;
            _listener = new Listener(Port, _state);
            Port = _listener.Port;
            await _state.Loop.AskAsync(() => _state.IsRunning = true).ConfigureAwait(false);
            _listener.Start();
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    /// <summary>Shuts down in good order: every connection is closed with 320, as by a RabbitMQ that is stopped.</summary>
    public Task StopAsync(CancellationToken cancellationToken = default) => EndAsync(connection =>
        connection.Fail(new AmqpError(ReplyCode.ConnectionForced, "broker forced connection closure with reason 'shutdown'"), 0), cancellationToken);

    /// <summary>Ends at once: every connection is reset, as when the machine crashes.</summary>
    public Task KillAsync(CancellationToken cancellationToken = default) => EndAsync(static connection => connection.Drop(reset: true), cancellationToken);

    /// <summary>Adds a virtual host, in which nobody has permissions yet.</summary>
    public void AddVirtualHost(string name) => _state.Loop.Post(() => _state.AddVirtualHost(name));

    /// <summary>Adds a user without permissions, or gives one a new password.</summary>
    public void AddUser(string name, string password) => _state.Loop.Post(() => _state.Users.Add(name, password));

    /// <summary>Lets a user into a virtual host; the patterns say which names it may configure, write and read.</summary>
    public void SetPermissions(string user, string virtualHost = "/", string configure = ".*", string write = ".*", string read = ".*") =>
        _state.Loop.Post(() => _state.Users.Find(user)?.Permit(virtualHost, configure, write, read));

    /// <summary>Takes all permissions in a virtual host away from a user.</summary>
    public void ClearPermissions(string user, string virtualHost = "/") => _state.Loop.Post(() => _state.Users.Find(user)?.Forbid(virtualHost));

    /// <summary>From now on, whenever the trigger's moment comes, the action happens.</summary>
    public FaultScript Script(FaultTrigger trigger, FaultAction action)
    {
        ArgumentNullException.ThrowIfNull(trigger);
        ArgumentNullException.ThrowIfNull(action);
        var script = new FaultScript(this, trigger, action);
        _state.Loop.Post(() => _state.Faults.Add(script));
        return script;
    }

    /// <summary>Takes back all scripts.</summary>
    public void ClearScripts() => _state.Loop.Post(_state.Faults.Clear);

    /// <summary>Lets an action happen now, on all open connections or those of one name; what concerns channels happens on all of theirs.</summary>
    public Task InjectAsync(FaultAction action, string? connection = null)
    {
        ArgumentNullException.ThrowIfNull(action);
        return _state.Loop.AskAsync(() =>
        {
            foreach (Connection found in _state.Connections.Where(c => c.IsOpen && (connection is null || c.Name == connection)).ToArray())
            {
                var channels = found.Channels.Select(channel => new FaultScene(found, channel, 0)).ToList();
                if (channels.Count == 0)
                    channels.Add(new FaultScene(found, null, 0));
                foreach (FaultScene scene in channels)
                    action.Act(scene);
            }
            return true;
        });
    }

    /// <summary>Raises the memory alarm: publishers are told (connection.blocked) and not read from, consumers go on.</summary>
    public void Block(string reason = "low on memory") => _state.Loop.Post(() => _state.SetAlarm(reason));

    /// <summary>Ends the alarm of <see cref="Block"/>.</summary>
    public void Unblock() => _state.Loop.Post(() => _state.SetAlarm(null));

    /// <summary>Looks at the broker while it stands still.</summary>
    /// <param name="look">Runs inside the broker: quick, and without waiting for anything.</param>
    public Task<T> LookAsync<T>(Func<AmqpBrokerView, T> look)
    {
        ArgumentNullException.ThrowIfNull(look);
        return _state.Loop.AskAsync(() => look(_view));
    }

    /// <summary>Waits until a condition holds; it is asked again whenever something has happened in the broker.</summary>
    /// <param name="condition">Runs inside the broker: quick, and without waiting for anything.</param>
    /// <param name="timeout">How long at most, in real time; default 30 s.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <exception cref="TimeoutException">It does not hold.</exception>
    public async Task WaitUntilAsync(Func<AmqpBrokerView, bool> condition, TimeSpan? timeout = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(condition);
        var waiter = new History.Waiter(() => condition(_view));
        _state.Loop.Post(() => _state.History.Wait(waiter));
        try
        {
            await waiter.Done.WaitAsync(timeout ?? DefaultWait, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            waiter.GiveUp();
        }
    }

    /// <summary>Ends the broker and all its connections.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_disposed)
            return;
        await KillAsync().ConfigureAwait(false);
        _disposed = true;
        _state.Loop.Dispose();
    }

    internal void Remove(FaultScript script) => _state.Loop.Post(() => _state.Faults.Remove(script));

    private async Task EndAsync(Action<Connection> how, CancellationToken cancellationToken)
    {
        await _oneAtATime.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_listener is null)
                return;
            await _listener.DisposeAsync().ConfigureAwait(false);
            _listener = null;
            Connection[] connections = await _state.Loop.AskAsync(() =>
            {
                _state.IsRunning = false;
                Connection[] all = [.. _state.Connections];
                foreach (Connection connection in all)
                    how(connection);
                return all;
            }).ConfigureAwait(false);
            await EndedAsync(connections).ConfigureAwait(false);
            await _state.Loop.AskAsync(() =>
            {
                foreach (VirtualHost host in _state.VirtualHosts.Values)
                    host.Restart();
                return true;
            }).ConfigureAwait(false);
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    /// <summary>Clients have a moment to answer connection.close; then their sockets are closed anyway.</summary>
    private async Task EndedAsync(Connection[] connections)
    {
        Task ended = Task.WhenAll(connections.Select(connection => connection.Ended));
        try
        {
            await ended.WaitAsync(CloseGrace).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            await _state.Loop.AskAsync(() =>
            {
                foreach (Connection connection in connections)
                    connection.Drop(reset: true);
                return true;
            }).ConfigureAwait(false);
            await ended.ConfigureAwait(false);
        }
    }
}
