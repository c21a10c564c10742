using System.Net;
using System.Net.Quic;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using Microsoft.Extensions.Logging;
using QuicTransports;

namespace FederatedLearning.Quic;

/// <summary>
/// QUIC for the unified server: newline-delimited JSON on one bidirectional stream a client, on one UDP socket with a
/// thread of its own. A client is gone when its connection ends or idles out.
/// </summary>
public sealed class QuicProtocolHandler : ProtocolHandler
{
    /// <summary>The protocol's short name.</summary>
    public const string ProtocolName = "quic";

    internal const string Title = "QUIC";

    // So few large messages are taken in at once, from all clients together: the rest waits on the other side.
    private const int LargeAtOnce = 4;
    private static readonly TimeSpan FarewellPatience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan AnswerPatience = TimeSpan.FromSeconds(3);

    private readonly QuicOptions _settings;
    private readonly ClientWays<QuicSession> _clients = new();
    private readonly ConditionalWeakTable<OutgoingMessage, byte[]> _lines = [];
    private readonly SemaphoreSlim _large = new(LargeAtOnce);
    private readonly HashSet<Task> _serving = [];
    private readonly Lock _lock = new();

    private IQuicListener? _listener;
    private Task _accepting = Task.CompletedTask;

    /// <summary>Makes the handler; nothing listens yet.</summary>
    /// <param name="settings">Where it listens, and with which certificate.</param>
    /// <param name="loggers">Where log lines go.</param>
    /// <param name="time">The clock.</param>
    public QuicProtocolHandler(QuicOptions settings, ILoggerFactory loggers, TimeProvider? time = null)
        : base(ProtocolName, Title, loggers.CreateLogger<QuicProtocolHandler>(), time)
    {
        ArgumentNullException.ThrowIfNull(settings);
        _settings = settings;
    }

    /// <summary>Where it listens, once it was started.</summary>
    public IPEndPoint? Address => _listener?.Local;

    /// <summary>
    /// Why QUIC cannot be spoken on this machine, in one line that says what to install; null where it can.
    /// </summary>
    public static string? FindMissing(QuicOptions settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return QuicTransport.Find(settings.Transport, out string missing) is null ? missing : null;
    }

    /// <inheritdoc/>
    protected override async Task OpenAsync(CancellationToken cancellationToken)
    {
        var transport = QuicTransport.Find(_settings.Transport, out string missing)
            ?? throw new InvalidOperationException(missing);
        try
        {
            _listener = await transport.Listen(_settings);
        }
        catch (Exception error) when (error is SocketException or QuicException)
        {
            throw new InvalidOperationException(
                $"QUIC cannot listen on {_settings.Listen}:{_settings.Port}: {error.Message}; set QUIC_PORT.",
                error);
        }
        Log.ServerStarted(_listener.Local.ToString(), transport.Name);
        _accepting = Task.Run(AcceptAllAsync, CancellationToken.None);
    }

    /// <inheritdoc/>
    protected override Task SendAsync(OutgoingMessage message)
    {
        foreach (var (_, session) in _clients.RecipientsOf(message))
            session.Outgoing.Post(message);
        return Task.CompletedTask;
    }

    // Each client has a moment to hear of the end; then the socket closes.
    /// <inheritdoc/>
    protected override async Task CloseAsync()
    {
        foreach (var (_, session) in _clients.All)
            session.Outgoing.Complete();
        Task[] serving;
        lock (_lock)
            serving = [.. _serving];
        await Task.WhenAll(serving);
        if (_listener is null)
            return;
        await _listener.DisposeAsync();
        await _accepting;
    }

    private async Task AcceptAllAsync()
    {
        try
        {
            await foreach (var connection in _listener!.Accepted.ReadAllAsync())
            {
                var serving = ServeAsync(connection);
                lock (_lock)
                    _serving.Add(serving);
                _ = serving.ContinueWith(Forget, TaskScheduler.Default);
            }
        }
        catch (Exception error)
        {
            await FailAsync(error);
        }

        void Forget(Task serving)
        {
            lock (_lock)
                _serving.Remove(serving);
        }
    }

    // The whole of a connection: a registration, then messages in both directions, until either side ends it.
    private async Task ServeAsync(IQuicConnection connection)
    {
        await Task.Yield();
        using var lines = new LineReader(connection, _settings.Stall, _large);
        QuicSession? session = null;
        string reason = "the peer ended its side";
        try
        {
            if (await RegisterAsync(connection, lines) is not { } registered)
                return;
            session = registered;
            await TakeAllAsync(session, lines);
        }
        catch (Exception error) when (error is QuicLostException or LineRefusedException)
        {
            reason = error.Message;
            if (error is LineRefusedException)
                await RefuseAsync(connection, session?.Client, reason);
        }
        catch (OperationCanceledException)
        {
            reason = session?.WriteFailure ?? "the server ended it";
        }
        catch (Exception error)
        {
            reason = "the server failed to serve it";
            Log.NotServed(error, connection.Peer);
        }
        finally
        {
            if (session is not null)
                await LeaveAsync(session, reason);
            await connection.DisposeAsync();
        }
    }

    // Before it has registered, a connection may say this one thing, and that briefly.
    private async Task<QuicSession?> RegisterAsync(IQuicConnection connection, LineReader lines)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Stopping);
        limit.CancelAfter(_settings.ConnectTimeout);
        lines.Limit = 4 << 10;
        try
        {
            if (await lines.NextAsync(limit.Token) is not { } line)
                return null;
            if (ClientJson.Read(line.Span) is not ClientRegistration { Client: var client })
                throw new MessageRefusedException("a client registers before anything else");
            var session = new QuicSession(client, connection);
            if (!await TryEnterAsync(session))
                throw new MessageRefusedException($"another client is connected as {client}");
            lines.Limit = MessageLimit.Bytes;
            session.Writing = WriteAllAsync(session);
            Context.Traffic.Received(line.Length);
            Log.Registered(client.Value, connection.Peer);
            await Context.Federation.ClientRegisteredAsync(new ClientRegistration(client), CancellationToken.None);
            return session;
        }
        catch (MessageRefusedException refused)
        {
            // Whichever client it claims to be, no round is disturbed by it.
            await RefuseAsync(connection, null, refused.Message);
            return null;
        }
        catch (OperationCanceledException) when (!Stopping.IsCancellationRequested)
        {
            await RefuseAsync(connection, null, "no registration came in time");
            return null;
        }
    }

    // A client that was killed comes back before its old connection has idled out: only one that still answers is in
    // its place.
    private async Task<bool> TryEnterAsync(QuicSession session)
    {
        _clients.MakeSureOfRoomFor(session.Client);
        if (_clients.Find(session.Client) is { } before)
        {
            if (await before.Connection.AnswersAsync(AnswerPatience, Stopping))
                return false;
            Context.Traffic.Reconnected();
        }
        if (_clients.Set(session.Client, session) is { } replaced)
            replaced.Outgoing.Complete();
        return true;
    }

    private async Task TakeAllAsync(QuicSession session, LineReader lines)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(Stopping, session.Ended.Token);
        while (await lines.NextAsync(end.Token) is { } line)
        {
            string? refused = await Inbox.TakeAsync(line, null, session.Client,
                _ => ValueTask.CompletedTask, CancellationToken.None);
            if (refused is not null)
                Log.Refused(session.Connection.Peer, refused);
        }
    }

    private async Task WriteAllAsync(QuicSession session)
    {
        try
        {
            await foreach (var message in session.Outgoing.TakeAllAsync(GivenUp))
            {
                byte[] line = _lines.GetValue(message, LineOf);
                await session.Connection.WriteAsync(line, GivenUp);
                Context.Traffic.Sent(line.Length - 1);
                Log.Sent(message.MessageType, session.Client.Value, session.Connection.Peer);
                if (message is Rejected)
                    break;
            }
            // A peer that is told of the end closes its side; what it has not read would be lost if this one did.
            using var farewell = CancellationTokenSource.CreateLinkedTokenSource(GivenUp);
            farewell.CancelAfter(FarewellPatience);
            await session.Connection.FinishAsync(farewell.Token);
        }
        catch (QuicLostException error)
        {
            session.WriteFailure = error.Message;
        }
        catch (OperationCanceledException)
        {
            // Patience is over.
        }
        await session.Ended.CancelAsync();
    }

    private async Task LeaveAsync(QuicSession session, string reason)
    {
        // At the end, what the core had for this client comes first.
        if (Stopping.IsCancellationRequested)
            await Sending;
        session.Outgoing.Complete();
        await session.Ended.CancelAsync();
        bool hasLeft = _clients.Remove(session.Client, session);
        if (!Stopping.IsCancellationRequested)
            await session.Connection.DisposeAsync();
        await session.Writing;
        Log.Ended(session.Client.Value, session.Connection.Peer, reason);
        if (hasLeft)
            await Context.Federation.ClientLeftAsync(session.Client, reason, CancellationToken.None);
    }

    // Counted and told; the connection ends behind it.
    private async Task RefuseAsync(IQuicConnection connection, ClientId? client, string reason)
    {
        Log.Refused(connection.Peer, reason);
        await Context.Federation.MessageRefusedAsync(client, reason, CancellationToken.None);
        try
        {
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(GivenUp);
            patience.CancelAfter(FarewellPatience);
            await connection.WriteAsync(LineOf(new Rejected(reason)), patience.Token);
            await connection.FinishAsync(patience.Token);
        }
        catch (Exception error) when (error is QuicLostException or OperationCanceledException)
        {
            // It does not want to know.
        }
    }

    private static byte[] LineOf(OutgoingMessage message)
        => [.. ServerJson.Write(message, ClientJson.TypeProperty), (byte)'\n'];
}

/// <summary>
/// A client's connection, once it has registered, with what waits for it: what is newer takes the place of what is
/// pointless.
/// </summary>
internal sealed record QuicSession(ClientId Client, IQuicConnection Connection)
{
    public OutgoingQueue Outgoing { get; } = new();

    /// <summary>The side that writes has come to its end.</summary>
    public CancellationTokenSource Ended { get; } = new();

    /// <summary>Why nothing can be sent any more; null while it can.</summary>
    public string? WriteFailure { get; set; }

    public Task Writing { get; set; } = Task.CompletedTask;
}
