using System.Threading.Channels;
using FederatedLearning.Messages;
using Microsoft.Extensions.Logging;
using SampleSettings;

namespace FederatedLearning.Protocol;

/// <summary>
/// The unified client's way to the server: one link at a time, over the first protocol of its list that works. It stays
/// connected across rounds, comes back by itself, registers whenever the server may not know the client, and may change
/// to another protocol while the training runs.
/// </summary>
/// <remarks>
/// One loop owns the links. The new link is there before the old one is closed, so a client that changes its protocol
/// does not leave in between; the server takes the way of the last registration. What a link has not delivered goes
/// again over the next one: the server ignores what it has already seen.
/// </remarks>
public sealed class ClientConnection : IAsyncDisposable
{
    private readonly ClientId _client;
    private readonly IReadOnlyList<ProtocolEntry<IClientLink>> _protocols;
    private readonly ClientConnectionOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _log;
    private readonly Channel<OutgoingMessage> _received = Channel.CreateBounded<OutgoingMessage>(4);
    private readonly CancellationTokenSource _closing = new();
    private readonly Backoff _backoff;
    private readonly Task _running;
    private readonly Lock _lock = new();

    private Session? _session;
    private TaskCompletionSource _sessionChanged = NewSignal();
    private TaskCompletionSource _changeWanted = NewSignal();
    private int _next;

    /// <summary>Begins to connect.</summary>
    /// <param name="client">The client's id.</param>
    /// <param name="protocols">What it may speak, in the order in which it is tried; at least one.</param>
    /// <param name="options">How patient it is.</param>
    /// <param name="time">The clock; <see cref="TimeProvider.System"/> outside of tests.</param>
    /// <param name="log">Where it writes its log lines.</param>
    public ClientConnection(
        ClientId client,
        IReadOnlyList<ProtocolEntry<IClientLink>> protocols,
        ClientConnectionOptions options,
        TimeProvider time,
        ILogger log)
    {
        ArgumentNullException.ThrowIfNull(protocols);
        ArgumentOutOfRangeException.ThrowIfZero(protocols.Count, nameof(protocols));
        (_client, _protocols, _options, _time, _log) = (client, protocols, options, time, log);
        _backoff = new Backoff(time);
        _running = Task.Run(RunAsync);
    }

    /// <summary>
    /// What the server says to this client, over whatever link. Ends with a <see cref="LinkException"/> when nothing
    /// can work.
    /// </summary>
    public ChannelReader<OutgoingMessage> Received => _received.Reader;

    /// <summary>The protocol in use; null while there is none.</summary>
    public string? Protocol
    {
        get { lock (_lock) return _session?.Link.Protocol; }
    }

    /// <summary>
    /// Sends an update or metrics; when a link is lost with it, again over the next. Waits for a link as long as it
    /// takes.
    /// </summary>
    /// <exception cref="MessageRefusedException">It is larger than <see cref="MessageLimit.Bytes"/>.</exception>
    /// <exception cref="LinkException">Nothing can work any more.</exception>
    public async ValueTask SendAsync(ClientMessage message, CancellationToken cancellationToken)
    {
        while (true)
        {
            var session = await SessionAsync(cancellationToken);
            try
            {
                await session.Registered.Task.WaitAsync(cancellationToken);
                await session.Link.SendAsync(message, cancellationToken);
                return;
            }
            catch (LinkException error)
            {
                _log.NotSent(ClientJson.KindOf(message), session.Link.Protocol, error.Message);
                session.Lost.TrySetResult();
                await ReplacedAsync(session, cancellationToken);
            }
        }
    }

    /// <summary>
    /// Goes on to the next protocol of the list, as soon as it is connected; until then the present link stays.
    /// </summary>
    public void ChangeProtocol()
    {
        lock (_lock) _changeWanted.TrySetResult();
    }

    /// <summary>Closes the link in order.</summary>
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        await _running;
        _closing.Dispose();
    }

    // A link that is in use, and the loop that takes what it receives.
    private sealed record Session(IClientLink Link)
    {
        public Task Pump { get; set; } = Task.CompletedTask;

        public TaskCompletionSource Lost { get; } = NewSignal();

        public TaskCompletionSource Heard { get; } = NewSignal();

        // Nothing else is sent before the server knows the client.
        public TaskCompletionSource Registered { get; } = NewSignal();

        public long LastHeard { get; set; }
    }

    private async Task RunAsync()
    {
        Exception? failure = null;
        try
        {
            while (!_closing.IsCancellationRequested)
            {
                var session = await ConnectAsync();
                var before = Use(session);
                await RegisterAsync(session);
                if (before is not null) await CloseReplacedAsync(before, session);
                await UseUntilLostOrChangedAsync(session);
            }
        }
        catch (OperationCanceledException) when (_closing.IsCancellationRequested)
        {
            // Closed.
        }
        catch (Exception error)
        {
            failure = error;
        }
        if (Use(null) is { } last) await CloseAsync(last);
        _received.Writer.TryComplete(failure);
        lock (_lock)
        {
            if (failure is null) _sessionChanged.TrySetCanceled();
            else _sessionChanged.TrySetException(failure);
        }
    }

    // Each protocol in turn, until one is connected. One that can never work is passed over, unless there is no other.
    private async Task<Session> ConnectAsync()
    {
        int final = 0;
        while (true)
        {
            var entry = _protocols[_next % _protocols.Count];
            _next++;
            var link = entry.Create();
            try
            {
                using var limit = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token);
                if (_protocols.Count > 1) limit.CancelAfter(_options.ConnectTimeout);
                await link.ConnectAsync(limit.Token);
                _log.Connected(_client.Value, entry.Name);
                return new Session(link) { LastHeard = _time.GetTimestamp() };
            }
            catch (Exception error)
                when (!_closing.IsCancellationRequested && error is LinkException or OperationCanceledException)
            {
                await link.DisposeAsync();
                final = error is LinkException { IsFinal: true } ? final + 1 : 0;
                if (final == _protocols.Count) throw;
                _log.NotConnected(
                    _client.Value, entry.Name, error is LinkException ? error.Message : "it took too long");
            }
            catch
            {
                await link.DisposeAsync();
                throw;
            }
            if (_next % _protocols.Count == 0 || _protocols.Count == 1) await _backoff.WaitAsync(_closing.Token);
        }
    }

    private Session? Use(Session? session)
    {
        lock (_lock)
        {
            var before = _session;
            _session = session;
            _changeWanted = NewSignal();
            if (session is not null)
            {
                session.Pump = PumpAsync(session);
                _sessionChanged.TrySetResult();
                _sessionChanged = NewSignal();
            }
            return before;
        }
    }

    private async Task RegisterAsync(Session session)
    {
        try
        {
            await session.Link.SendAsync(new ClientRegistration(_client), _closing.Token);
        }
        catch (LinkException error)
        {
            _log.NotSent(ClientJson.Register, session.Link.Protocol, error.Message);
            session.Lost.TrySetResult();
        }
        finally
        {
            session.Registered.TrySetResult();
        }
    }

    // A server that is silent for long may be another that does not know this client: over a broker nothing else tells.
    private async Task UseUntilLostOrChangedAsync(Session session)
    {
        var silence = _options.Silence;
        Task change;
        lock (_lock) change = _changeWanted.Task;
        while (true)
        {
            long heard = session.LastHeard;
            var left = silence - _time.GetElapsedTime(heard);
            using var end = CancellationTokenSource.CreateLinkedTokenSource(_closing.Token);
            var wait = Task.Delay(left > TimeSpan.Zero ? left : TimeSpan.Zero, _time, end.Token);
            await Task.WhenAny(session.Pump, session.Lost.Task, change, wait);
            await end.CancelAsync();
            _closing.Token.ThrowIfCancellationRequested();
            if (session.Pump.IsCompleted || session.Lost.Task.IsCompleted) break;
            if (change.IsCompleted) return;
            if (session.LastHeard != heard)
            {
                silence = _options.Silence;
                continue;
            }
            session.LastHeard = _time.GetTimestamp();
            silence = silence * 2 < _options.LongestSilence ? silence * 2 : _options.LongestSilence;
            _log.Silent(_client.Value, session.Link.Protocol);
            await RegisterAsync(session);
        }
        Use(null);
        await CloseAsync(session);
        _log.Lost(_client.Value, session.Link.Protocol);
        await _backoff.WaitAsync(_closing.Token);
        _next--; // the one that worked is tried first
    }

    private async Task PumpAsync(Session session)
    {
        try
        {
            await foreach (var message in session.Link.Received.ReadAllAsync(_closing.Token))
            {
                session.LastHeard = _time.GetTimestamp();
                session.Heard.TrySetResult();
                _backoff.Reset();
                if (message is ServerStarted or ErrorReport { Reason: ErrorReport.NotRegistered })
                    await RegisterAsync(session);
                else if (ReferenceEquals(_session, session)) await _received.Writer.WriteAsync(message, _closing.Token);
            }
        }
        catch (LinkException error)
        {
            _log.Ended(_client.Value, session.Link.Protocol, error.Message);
        }
        catch (OperationCanceledException) when (_closing.IsCancellationRequested)
        {
            // Closed.
        }
    }

    // What is sent over the new link may be on its way still when the old one says that the client leaves. The server
    // has the registration when it has answered; before a training it has nothing to say.
    private async Task CloseReplacedAsync(Session before, Session session)
    {
        var patience = Task.Delay(_options.ConnectTimeout, _time, _closing.Token);
        await Task.WhenAny(session.Heard.Task, session.Pump, session.Lost.Task, patience);
        await CloseAsync(before);
    }

    private static async Task CloseAsync(Session session)
    {
        await session.Link.DisposeAsync();
        await session.Pump;
    }

    private async Task<Session> SessionAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task changed;
            lock (_lock)
            {
                if (_session is { } session) return session;
                changed = _sessionChanged.Task;
            }
            await changed.WaitAsync(cancellationToken);
        }
    }

    private async Task ReplacedAsync(Session session, CancellationToken cancellationToken)
    {
        Task changed;
        lock (_lock)
        {
            if (!ReferenceEquals(_session, session)) return;
            changed = _sessionChanged.Task;
        }
        await changed.WaitAsync(cancellationToken);
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>How patient a client is.</summary>
public sealed record ClientConnectionOptions
{
    /// <summary>How long one protocol of several may take to connect: <c>CONNECT_TIMEOUT_SECONDS</c>.</summary>
    /// <value>10 seconds</value>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>
    /// After how long without a word from the server the client registers again: <c>SILENCE_SECONDS</c>.
    /// </summary>
    /// <value>5 minutes</value>
    public TimeSpan Silence { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Each silence lasts twice as long as the one before, at most so long.</summary>
    public TimeSpan LongestSilence => Silence * 8;

    /// <summary>Reads the options.</summary>
    /// <exception cref="InvalidOperationException">A value is not valid; the message names the setting.</exception>
    public static ClientConnectionOptions From(SettingReader settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var defaults = new ClientConnectionOptions();
        return new ClientConnectionOptions
        {
            ConnectTimeout = settings.Seconds("CONNECT_TIMEOUT_SECONDS", defaults.ConnectTimeout, 0.1, 3600),
            Silence = settings.Seconds("SILENCE_SECONDS", defaults.Silence, 0.1, 86_400),
        };
    }
}
