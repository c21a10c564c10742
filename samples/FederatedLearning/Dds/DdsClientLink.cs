using System.Diagnostics;
using System.Threading.Channels;
using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using Microsoft.Extensions.Logging;

namespace FederatedLearning.Dds;

/// <summary>
/// A client's side of DDS: a writer to the server, and a reader in the partition that is its id, on a thread of its
/// own.
/// </summary>
public sealed class DdsClientLink : IClientLink
{
    private const int SamplesHeld = 2;
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(10),
        LookForServer = TimeSpan.FromMilliseconds(200);

    private readonly ClientId _client;
    private readonly DdsSettings _settings;
    private readonly ILogger _log;
    private readonly ServerInbox _inbox;
    private readonly CancellationTokenSource _closing = new();
    private readonly TaskCompletionSource _found = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Queue<Waiting> _waiting = new();
    private DdsLoop? _loop;
    private int _writer, _reader;
    private ulong? _server;
    private bool _isLost, _isWritten;

    private sealed record Waiting(string Kind, byte[] Body, TaskCompletionSource Done);

    /// <summary>Makes the link; nothing is looked for yet.</summary>
    /// <param name="client">The client's id.</param>
    /// <param name="settings">The domain and its network.</param>
    /// <param name="loggers">Where log lines go.</param>
    public DdsClientLink(ClientId client, DdsSettings settings, ILoggerFactory loggers)
    {
        ArgumentNullException.ThrowIfNull(settings);
        (_client, _settings, _log) = (client, settings, loggers.CreateLogger<DdsClientLink>());
        _inbox = new ServerInbox(client, DdsProtocolHandler.Title, _log);
    }

    /// <inheritdoc/>
    public string Protocol => DdsProtocolHandler.ProtocolName;

    /// <inheritdoc/>
    public ChannelReader<OutgoingMessage> Received => _inbox.Received;

    /// <inheritdoc/>
    public async Task ConnectAsync(CancellationToken cancellationToken)
    {
        if (DdsProtocolHandler.FindMissing() is { } missing)
            throw new LinkException(missing) { IsFinal = true };
        try
        {
            _loop = new DdsLoop("fl-dds-client", _settings, participant =>
            {
                _reader = participant.Reader(DdsParticipant.ToClients, _client.Value, SamplesHeld);
                _writer = participant.Writer(DdsParticipant.FromClients, "");
            }, Turn);
            _ = _loop.Ended.ContinueWith(End, TaskScheduler.Default);
            await _found.Task.WaitAsync(_settings.ConnectTimeout, cancellationToken);
        }
        catch (DdsException error)
        {
            throw new LinkException(error.Message, error);
        }
        catch (TimeoutException error)
        {
            throw new LinkException($"there is no server in domain {_settings.Domain}", error);
        }
        _log.LinkStarted(_client.Value, _settings.Domain);
    }

    /// <inheritdoc/>
    public async ValueTask SendAsync(ClientMessage message, CancellationToken cancellationToken)
    {
        var loop = _loop ?? throw new LinkException("the link is not connected");
        var waiting = new Waiting(ClientJson.KindOf(message), ClientJson.Write(message),
            new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        loop.Post(() =>
        {
            if (_isLost)
                waiting.Done.TrySetException(new LinkException("the server is gone"));
            else
                _waiting.Enqueue(waiting);
        });
        if (await Task.WhenAny(waiting.Done.Task, loop.Ended).WaitAsync(cancellationToken) != waiting.Done.Task)
            throw new LinkException("the link is closed");
        await waiting.Done.Task;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        if (_loop is not null)
            await _loop.DisposeAsync();
        _inbox.Complete();
    }

    private void End(Task loop)
        => _inbox.Complete(loop.Exception is { } error
            ? new LinkException(error.GetBaseException().Message, error) : null);

    private TimeSpan Turn()
    {
        if (_isLost)
            return Timeout.InfiniteTimeSpan;
        while (!_closing.IsCancellationRequested && DdsParticipant.TryTake(_reader, Take))
        {
        }
        WatchServer();
        return IsWaitingForServer() ? LookAgain : LookForServer;
    }

    // The server is the first reader of what this link writes. Another in its place does not know the client: the link
    // ends.
    private void WatchServer()
    {
        ulong[] readers = DdsParticipant.ReadersOf(_writer);
        if (_server is null && readers.Length > 0)
        {
            _server = readers[0];
            _found.TrySetResult();
        }
        else if (_server is { } server && !readers.Contains(server))
        {
            _isLost = true;
            foreach (var waiting in _waiting)
                waiting.Done.TrySetException(new LinkException("the server is gone"));
            _waiting.Clear();
            _inbox.Complete(new LinkException("the server is gone"));
        }
    }

    // One at a time, until the server's side has it.
    private bool IsWaitingForServer()
    {
        while (_waiting.TryPeek(out var first))
        {
            _isWritten = _isWritten || DdsParticipant.TryWrite(_writer, _client, first.Kind, first.Body);
            if (!_isWritten || !DdsParticipant.IsAcknowledged(_writer))
                return true;
            _isWritten = false;
            _waiting.Dequeue().Done.TrySetResult();
        }
        return false;
    }

    private void Take(DdsSample sample)
    {
        if (!sample.HasData || sample.ClientId != _client.Value)
            return;
        try
        {
            _inbox.TakeAsync(sample.Body.Span, cancellationToken: _closing.Token).AsTask().GetAwaiter().GetResult();
        }
        catch (OperationCanceledException) when (_closing.IsCancellationRequested)
        {
            // Closed: it is not wanted any more.
        }
    }
}
