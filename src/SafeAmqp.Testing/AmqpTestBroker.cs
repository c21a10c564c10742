using SafeAmqp.Testing.Connections;
using SafeAmqp.Testing.Routing;
using SafeAmqp.Testing.Transport;

namespace SafeAmqp.Testing;

/// <summary>
/// An AMQP 0-9-1 broker inside this process, for tests and demonstrations only: it behaves as RabbitMQ does, keeps
/// everything in memory, and fails on command. Every member may be called from any thread.
/// </summary>
public sealed partial class AmqpTestBroker : IAsyncDisposable
{
    private static readonly TimeSpan CloseGrace = TimeSpan.FromSeconds(1);

    private readonly AmqpTestBrokerOptions _options;
    private readonly BrokerState _state;
    private readonly AmqpBrokerView _view;
    private readonly SemaphoreSlim _oneAtATime = new(1, 1);
    private Listener? _listener;
    private ReservedPort? _reserved;
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

    /// <summary>
    /// Where clients connect to, with user and password. The virtual host is written out (<c>%2F</c>): to some clients
    /// a lone slash is the empty name.
    /// </summary>
    public Uri Uri
    {
        get
        {
            string user = System.Uri.EscapeDataString(_options.UserName);
            string password = System.Uri.EscapeDataString(_options.Password);
            return new($"amqp://{user}:{password}@127.0.0.1:{Port}/%2F");
        }
    }

    /// <summary>Starts a broker that listens on the loopback address only.</summary>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    /// <exception cref="System.Net.Sockets.SocketException">The port is taken.</exception>
    public static async Task<AmqpTestBroker> StartAsync(
        AmqpTestBrokerOptions? options = null, CancellationToken cancellationToken = default)
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

    /// <summary>
    /// Starts the broker after <see cref="StopAsync"/> or <see cref="KillAsync"/>, on the same port, with what was
    /// durable and persistent.
    /// </summary>
    /// <remarks>On a broker that runs it does nothing.</remarks>
    public async Task StartAgainAsync(CancellationToken cancellationToken = default)
    {
        await _oneAtATime.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (_listener is not null)
                return;
            _reserved ??= new ReservedPort(Port);
            _listener = new Listener(_reserved, _state);
            _reserved = null;
            Port = _listener.Port;
            await _state.Loop.AskAsync(() =>
            {
                _state.IsRunning = true;
                foreach (VirtualHost host in _state.VirtualHosts.Values)
                    host.Started();
                return true;
            }).ConfigureAwait(false);
            _listener.Start();
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    /// <summary>
    /// Shuts down in good order: every connection is closed with 320, as by a RabbitMQ that is stopped.
    /// </summary>
    public Task StopAsync(CancellationToken cancellationToken = default) => EndAsync(crashes: false, connection =>
        connection.Fail(
            new AmqpError(ReplyCode.ConnectionForced, "broker forced connection closure with reason 'shutdown'"), 0),
        cancellationToken);

    /// <summary>
    /// Ends at once: every connection is reset, as when the machine crashes. What a paused broker has not read is never
    /// read.
    /// </summary>
    public Task KillAsync(CancellationToken cancellationToken = default)
        => EndAsync(crashes: true, static connection => connection.Drop(reset: true), cancellationToken);

    /// <summary>
    /// The whole broker stands still, as a stopped process does (SIGSTOP): connections stay open and new ones are
    /// accepted by the system, nothing is answered.
    /// </summary>
    /// <remarks>What this object is asked for is still done, looking at the broker included.</remarks>
    public Task PauseAsync() => _state.Loop.AskAsync(() => Paused(true));

    /// <summary>
    /// Goes on after <see cref="PauseAsync"/>, with everything that has arrived meanwhile, in its order.
    /// </summary>
    public Task ResumeAsync() => _state.Loop.AskAsync(() => Paused(false));

    /// <summary>Ends the broker and all its connections.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_disposed)
            return;
        await KillAsync().ConfigureAwait(false);
        _disposed = true;
        _reserved?.Dispose();
        _state.Loop.Dispose();
    }

    private bool Paused(bool paused)
    {
        _state.Loop.Pause(paused);
        return paused;
    }

    private async Task EndAsync(bool crashes, Action<Connection> how, CancellationToken cancellationToken)
    {
        await _oneAtATime.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_listener is null)
                return;
            // No other process may take the port meanwhile; least of all a client that tries to reconnect, whose socket
            // could be given this very port.
            Listener listener = _listener;
            _listener = null;
            _reserved = await listener.EndAsync().ConfigureAwait(false);
            Connection[] connections = await _state.Loop.AskAsync(() =>
            {
                _state.IsRunning = false;
                // No queue sees its consumers go.
                if (crashes)
                    Restart(crashed: true);
                Connection[] all = [.. _state.Connections];
                foreach (Connection connection in all)
                    how(connection);
                _state.Loop.Pause(false);
                return all;
            }).ConfigureAwait(false);
            await EndedAsync(connections).ConfigureAwait(false);
            await _state.Loop.AskAsync(() =>
            {
                Restart(crashed: false);
                return true;
            }).ConfigureAwait(false);
        }
        finally
        {
            _oneAtATime.Release();
        }
    }

    private void Restart(bool crashed)
    {
        foreach (VirtualHost host in _state.VirtualHosts.Values)
            host.Restart(crashed);
    }

    /// <summary>Clients have a moment to answer connection.close; then their sockets are closed anyway.</summary>
    private async Task EndedAsync(Connection[] connections)
    {
        var ended = Task.WhenAll(connections.Select(connection => connection.Ended));
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
