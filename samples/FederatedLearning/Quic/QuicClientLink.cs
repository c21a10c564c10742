using System.Threading.Channels;
using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using Microsoft.Extensions.Logging;
using QuicTransports;

namespace FederatedLearning.Quic;

/// <summary>A client's persistent QUIC connection: one bidirectional stream of lines, for all rounds.</summary>
public sealed class QuicClientLink : IClientLink
{
    private static readonly TimeSpan FarewellPatience = TimeSpan.FromSeconds(2);

    private readonly ClientId _client;
    private readonly QuicOptions _settings;
    private readonly ILogger _log;
    private readonly ServerInbox _inbox;
    private readonly CancellationTokenSource _closing = new();
    private IQuicConnection? _connection;
    private Task _reading = Task.CompletedTask;

    /// <summary>Makes the link; nothing is connected yet.</summary>
    /// <param name="client">The client's id.</param>
    /// <param name="settings">Where the server is, and what is trusted.</param>
    /// <param name="loggers">Where log lines go.</param>
    public QuicClientLink(ClientId client, QuicOptions settings, ILoggerFactory loggers)
    {
        ArgumentNullException.ThrowIfNull(settings);
        (_client, _settings, _log) = (client, settings, loggers.CreateLogger<QuicClientLink>());
        _inbox = new ServerInbox(client, QuicProtocolHandler.Title, _log);
    }

    /// <inheritdoc/>
    public string Protocol => QuicProtocolHandler.ProtocolName;

    /// <inheritdoc/>
    public ChannelReader<OutgoingMessage> Received => _inbox.Received;

    /// <inheritdoc/>
    public async Task ConnectAsync(CancellationToken cancellationToken)
    {
        var transport = QuicTransport.Find(_settings.Transport, out string missing)
            ?? throw new LinkException(missing) { IsFinal = true };
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(_settings.ConnectTimeout);
        try
        {
            _connection = await transport.ConnectAsync(_settings, limit.Token);
        }
        catch (QuicLostException error)
        {
            throw new LinkException(error.Message, error) { IsFinal = error.IsFinal };
        }
        catch (OperationCanceledException error) when (!cancellationToken.IsCancellationRequested)
        {
            throw new LinkException($"{_settings.Host}:{_settings.Port} did not answer in time", error);
        }
        _log.Established(_client.Value, _connection.Peer, transport.Name);
        _reading = Task.Run(ReadAllAsync, CancellationToken.None);
    }

    /// <inheritdoc/>
    public async ValueTask SendAsync(ClientMessage message, CancellationToken cancellationToken)
    {
        var connection = _connection ?? throw new LinkException("the link is not connected");
        byte[] line = [.. ClientJson.Write(message, ClientJson.TypeProperty), (byte)'\n'];
        try
        {
            await connection.WriteAsync(line, cancellationToken);
        }
        catch (QuicLostException error)
        {
            throw new LinkException(error.Message, error);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_connection is not null && !_reading.IsCompleted)
        {
            using var patience = new CancellationTokenSource(FarewellPatience);
            try
            {
                await _connection.FinishAsync(patience.Token);
            }
            catch (OperationCanceledException)
            {
                // The server has more to say than this client wants to hear.
            }
        }
        await _closing.CancelAsync();
        await _reading;
        if (_connection is not null)
            await _connection.DisposeAsync();
        _inbox.Complete();
    }

    private async Task ReadAllAsync()
    {
        LinkException? failure = null;
        try
        {
            using var lines = new LineReader(_connection!, _settings.Stall);
            while (await lines.NextAsync(_closing.Token) is { } line)
                await _inbox.TakeAsync(line.Span, ClientJson.TypeProperty, _closing.Token);
        }
        catch (Exception error) when (error is QuicLostException or LineRefusedException)
        {
            failure = new LinkException(error.Message, error);
        }
        catch (OperationCanceledException)
        {
            // Closed.
        }
        _inbox.Complete(failure);
    }
}
