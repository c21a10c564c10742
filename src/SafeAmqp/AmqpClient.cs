using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using SafeAmqp.Actor;
using SafeAmqp.Broker;
using SafeAmqp.Consuming;
using SafeAmqp.Links;
using SafeAmqp.Owner;
using SafeAmqp.Publishing;
using SafeAmqp.Rpc;
using SafeAmqp.Telemetry;
using SafeAmqp.Topology;

namespace SafeAmqp;

/// <summary>The client: composes the links, checks arguments, takes credit, posts jobs. Each link has one I/O thread
/// that alone touches its connection; every member here may be called from any thread at any time.</summary>
public sealed partial class AmqpClient : IAmqpClient
{
    /// <summary>How often waiters for credit are looked after while there are any: well within the 250 ms after a
    /// deadline.</summary>
    private static readonly long CreditGrain = TimeSpan.FromMilliseconds(50).Ticks;

    private readonly AmqpClientOptions _options;
    private readonly ILogger _logger;
    private readonly ClientEvents _events;
    private readonly MonotonicClock _clock;
    private readonly TopologyLedger _topology;
    private readonly Credit _credit;
    private readonly Credit _callSlots;
    private readonly List<ClientLink> _links = [];
    private readonly ClientLink _send;
    private readonly ClientLink _receive;
    private readonly FixedReplies _fixedReplies;
    private readonly Conversations _conversations;
    private readonly ServerSurroundings _servers;
    private readonly ConcurrentDictionary<Subscription, bool> _subscriptions = [];
    private readonly StarvationProbe _probe;
    private readonly Announcer<AmqpStateChangedEventArgs> _announcer;
    private readonly ClientObserver _observer;
    private long _nextCreditLook;
    private int _started;

    /// <summary>Makes a client. Connects to nothing: the first operation does, or <see cref="OpenAsync"/>.</summary>
    /// <param name="options">The options. They are checked and copied now: later changes have no effect.</param>
    /// <exception cref="ArgumentException">An option is not valid; the message names it and says what would
    /// be.</exception>
    /// <exception cref="System.Net.Sockets.SocketException">The process may open no further socket. Each link takes two
    /// before it connects.</exception>
    public AmqpClient(AmqpClientOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _options = options = options.Copy();
        _logger = new GuardedLogger(options.LoggerFactory.CreateLogger(Log.Category));
        string name = LinkConfig.NameOf(options);
        _events = new ClientEvents(_logger, name, options.TimeProvider);
        _clock = new MonotonicClock(options.TimeProvider);
        _topology = new TopologyLedger(() => _clock.Now);
        _credit = new Credit(options.MaxPendingMessages, options.MaxPendingBytes);
        _callSlots = new Credit(options.MaxPendingCalls, long.MaxValue);
        _announcer = new Announcer<AmqpStateChangedEventArgs>(Tell);
        _probe = new StarvationProbe(_clock, _events);
        var address = BrokerAddress.From(options);
        options.Heartbeat = address.Settings.Heartbeat ?? options.Heartbeat;
        options.ConnectTimeout = address.Settings.ConnectTimeout ?? options.ConnectTimeout;
        if (address.IsInTheClear)
            _events.Unencrypted(address.ToString());
        bool separate = options.Layout == AmqpConnectionLayout.Separate;
        _send = AddLink(address, separate ? "send" : "shared", publishes: true, ownsExclusive: !separate,
            now => Math.Min(LookAfterCredit(now), _probe.Look(now)));
        _receive = separate ? AddLink(address, "receive", publishes: false, ownsExclusive: true, _ => ActorTime.Never)
            : _send;
        _topology.Ended = _send.Thread.Wake;
        _observer = new ClientObserver(options.Telemetry, Instruments.Of(options.Telemetry.MeterFactory),
            name, options.TimeProvider, () => _send.Endpoint, () => _receive.Endpoint);
        _rejections = new Rejections(_events, _observer, _topology.QueueNamed);
#pragma warning disable RS0030 // injected here, and many workers use it at once
        _handlers = new HandlerSurroundings(this, _events, _observer, () => IsDisposed, _topology.QueueNamed,
            Random.Shared.NextDouble);
#pragma warning restore RS0030
        _admin = new Administration(this);
        _servers = new ServerSurroundings(this, _events, _observer, _credit, WaitForReplyCreditAsync, _clock,
            options.PublishTimeout, options.MaxMessageSize);
        _fixedReplies = new FixedReplies(ConsumeRepliesAsync, _send.Thread, _events);
        _conversations = new Conversations(this,
            message => SendUnobservedAsync(message, isPost: true, _options.PublishTimeout, CancellationToken.None),
            ConsumeRepliesAsync);

        Task<AmqpSubscription> ConsumeRepliesAsync(string queue, AmqpHandler handler)
            => ConsumeAsync(queue, handler, options: null, DeliveryUse.Reply, CancellationToken.None);
    }

    /// <summary>Connects and returns a client whose links are open.</summary>
    /// <param name="uri">The broker: <c>amqp://user:password@host:port/virtual-host</c>.</param>
    /// <param name="cancellationToken">Cancels the wait; the client is disposed then.</param>
    /// <returns>The client.</returns>
    /// <exception cref="ArgumentException">The URI is not valid.</exception>
    /// <exception cref="System.Net.Sockets.SocketException">The process may open no further socket. Each link takes two
    /// before it connects.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled before every link was open.</exception>
    public static Task<AmqpClient> ConnectAsync(string uri, CancellationToken cancellationToken = default)
        => ConnectAsync(new AmqpClientOptions { Uri = uri }, cancellationToken);

    /// <inheritdoc cref="ConnectAsync(string, CancellationToken)"/>
    public static Task<AmqpClient> ConnectAsync(Uri uri, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(uri);
        return ConnectAsync(uri.OriginalString, cancellationToken);
    }

    /// <summary>Connects and returns a client whose links are open.</summary>
    /// <param name="options">The options.</param>
    /// <param name="cancellationToken">Cancels the wait; the client is disposed then.</param>
    /// <returns>The client.</returns>
    /// <exception cref="ArgumentException">An option is not valid.</exception>
    /// <exception cref="System.Net.Sockets.SocketException">The process may open no further socket. Each link takes two
    /// before it connects.</exception>
    /// <exception cref="AmqpConnectException">No host could be reached within
    /// <see cref="AmqpClientOptions.ConnectTimeout"/>, or the broker refused. Not with
    /// <see cref="AmqpFirstConnect.Retry"/>.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled before every link was open.</exception>
    public static async Task<AmqpClient> ConnectAsync(AmqpClientOptions options,
        CancellationToken cancellationToken = default)
    {
        var client = new AmqpClient(options);
        try
        {
            await client.OpenLinksAsync(options.FirstConnect != AmqpFirstConnect.Retry,
                cancellationToken).ConfigureAwait(false);
            return client;
        }
        catch
        {
            await client.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <inheritdoc/>
    public AmqpClientStatus Status
    {
        get
        {
            long now = _clock.Now;
            return new([.. _links.Select(link => link.Status(now,
                [.. _subscriptions.Keys.Where(s => s.Owner == link.Thread).Select(s => s.Status)],
                link == _send ? _credit.Waiting + _callSlots.Waiting : 0))])
            {
                ThreadPoolStarvedFor = _probe.StarvedFor,
            };
        }
    }

    /// <inheritdoc/>
    public event EventHandler<AmqpStateChangedEventArgs>? StateChanged;

    private void Announce(AmqpStateChangedEventArgs change)
    {
        if (change.From == AmqpLinkState.Open && change.Link == _receive.Thread.Actor.Settings.Name)
            _conversations.Lose(change.ToString());
        if (StateChanged is not null)
            _announcer.Announce(change);
    }

    private void Tell(AmqpStateChangedEventArgs change)
    {
        foreach (EventHandler<AmqpStateChangedEventArgs> handler in Delegate.EnumerateInvocationList(StateChanged))
        {
            try
            {
                handler(this, change);
            }
            catch (Exception error)
            {
                _events.StateHandlerFailed(change.ToString(), error);
            }
        }
    }

    /// <summary>Connects, unless that has begun, and waits until every link is open.</summary>
    /// <param name="cancellationToken">Cancels the wait, not the connecting.</param>
    /// <returns>A task that completes when every link is open.</returns>
    /// <exception cref="AmqpConnectException">With <see cref="AmqpFirstConnect.FailFast"/>: no host could be reached,
    /// or the broker refused. The client goes on trying all the same until it is disposed.</exception>
    /// <exception cref="ObjectDisposedException">The client was disposed.</exception>
    public Task OpenAsync(CancellationToken cancellationToken = default)
        => OpenLinksAsync(_options.FirstConnect == AmqpFirstConnect.FailFast, cancellationToken);

    private async Task OpenLinksAsync(bool failFast, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        long deadline = failFast ? _clock.In(_options.ConnectTimeout) : ActorTime.Never;
        // Before the first attempt, on every link: one that was refused before anybody waited would be waited for until
        // its next, half a minute later.
        Task[] opened = [.. _links.Select(link => failFast ? link.FailFastAsync(deadline) : link.OpenedAsync())];
        Start();
        foreach (Task link in opened)
            await OrGiveUpAsync(link, "Connecting was given up", cancellationToken, isShared: true)
                .ConfigureAwait(false);
    }

    /// <summary>The health of the process's thread pool.</summary>
    internal StarvationProbe Probe => _probe;

    /// <summary>Observes the client's operations.</summary>
    internal ClientObserver Observer => _observer;

    /// <summary>Begins to connect; returns at once.</summary>
    internal void Start()
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        if (Interlocked.Exchange(ref _started, 1) != 0)
            return;
        foreach (ClientLink link in _links)
            link.Connect();
    }

    // A caller that gives up learns what it waited for, and leaves nothing behind at a task that others wait for, too.
    private async Task OrGiveUpAsync(Task wait, string what, CancellationToken cancellationToken, bool isShared = false)
    {
        if (!isShared)
            wait.Forget();
        try
        {
            await wait.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw LeftBehind.GivenUp(what, Status, cancellationToken);
        }
    }

    private ClientLink AddLink(BrokerAddress address, string name, bool publishes, bool ownsExclusive,
        Func<long, long> onTime)
    {
        var settings = new ActorSettings
        {
            Name = name,
            Publishes = publishes,
            OwnsExclusiveQueues = ownsExclusive,
            Hosts = address.Hosts.Count,
            Heartbeat = _options.Heartbeat,
            ConnectTimeout = _options.ConnectTimeout,
            OperationTimeout = _options.OperationTimeout,
            Reconnect = new(_options.ReconnectDelay, _options.MaxReconnectDelay, _options.RefusedReconnectDelay),
            MaxUnconfirmedMessages = _options.MaxUnconfirmedMessages,
            MaxUnconfirmedBytes = _options.MaxUnconfirmedBytes,
            Republish = _options.InFlight == AmqpInFlightPolicy.Republish,
        };
        var link = new ClientLink(_options, address, settings, _clock, _logger, _topology,
            () => Status, onTime, _probe, Announce);
        _links.Add(link);
        return link;
    }

    // Deadlines of callers that wait for credit are kept by the send link's thread, as the pool's timers come late when
    // it is starved.
    private long LookAfterCredit(long now)
    {
        if (_credit.Waiting == 0 && _callSlots.Waiting == 0)
            return ActorTime.Never;
        if (now >= _nextCreditLook)
        {
            _credit.Expire(now);
            _callSlots.Expire(now);
            _nextCreditLook = now + CreditGrain;
        }
        return _nextCreditLook;
    }
}
