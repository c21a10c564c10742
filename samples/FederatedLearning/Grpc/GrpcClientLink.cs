using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using System.Threading.Channels;
using FederatedLearning.Grpc.Wire;
using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.Logging;

namespace FederatedLearning.Grpc;

/// <summary>A client's side of gRPC: one stream for the whole training. One message at a time is written.</summary>
public sealed class GrpcClientLink : IClientLink
{
    private static readonly TimeSpan ClosePatience = TimeSpan.FromSeconds(2);

    private readonly ClientId _client;
    private readonly GrpcSettings _settings;
    private readonly ILogger _log;
    private readonly SemaphoreSlim _writing = new(1);
    // Models are large: no more than this many messages are here unread.
    private readonly Channel<OutgoingMessage> _received = Channel.CreateBounded<OutgoingMessage>(2);
    private readonly CancellationTokenSource _closing = new();

    private GrpcChannel? _channel;
    private AsyncDuplexStreamingCall<Wire.ClientMessage, ServerMessage>? _call;
    private Task _reading = Task.CompletedTask;

    /// <summary>Makes the link; nothing is connected yet.</summary>
    /// <param name="client">The client's id.</param>
    /// <param name="settings">Where the server is.</param>
    /// <param name="loggers">Where log lines go.</param>
    public GrpcClientLink(ClientId client, GrpcSettings settings, ILoggerFactory loggers)
    {
        ArgumentNullException.ThrowIfNull(client);
        (_client, _settings) = (client, settings);
        _log = loggers.CreateLogger<GrpcClientLink>();
    }

    /// <inheritdoc/>
    public string Protocol => GrpcProtocolHandler.ProtocolName;

    /// <inheritdoc/>
    public ChannelReader<OutgoingMessage> Received => _received.Reader;

    /// <inheritdoc/>
    public async Task ConnectAsync(CancellationToken cancellationToken)
    {
        _channel = GrpcChannel.ForAddress(_settings.Address, new GrpcChannelOptions
        {
            HttpHandler = NewHandler(),
            DisposeHttpClient = true,
            MaxReceiveMessageSize = GrpcSettings.MaxMessage,
            MaxSendMessageSize = GrpcSettings.MaxMessage,
        });
        // The stream's own answer begins only with the server's first message, so a connection alone is what can be
        // waited for.
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(_settings.KeepAlive);
        try
        {
            await ConnectedAsync(_channel, limit.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new LinkException($"{_settings.Address.Authority} does not answer");
        }
        _call = new FederatedLearningService.FederatedLearningServiceClient(_channel)
            .Connect(cancellationToken: _closing.Token);
        _reading = Task.Run(ReadAllAsync, CancellationToken.None);
    }

    /// <inheritdoc/>
    public async ValueTask SendAsync(Messages.ClientMessage message, CancellationToken cancellationToken)
    {
        var body = new Wire.ClientMessage
        {
            MessageType = ClientJson.KindOf(message),
            Json = UnsafeByteOperations.UnsafeWrap(ClientJson.Write(message)),
        };
        await _writing.WaitAsync(cancellationToken);
        try
        {
            // Not to be cancelled: half a message would be the end of the stream.
            await _call!.RequestStream.WriteAsync(body, CancellationToken.None)
                .WaitAsync(_settings.SendTimeout, _closing.Token);
        }
        catch (Exception error)
            when (error is RpcException or IOException or InvalidOperationException or TimeoutException)
        {
            throw new LinkException((error as RpcException)?.Status.Detail ?? error.Message, error);
        }
        catch (OperationCanceledException error)
        {
            throw new LinkException("the stream is closed", error);
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>Ends the stream in order: the server sees that the client leaves.</summary>
    public async ValueTask DisposeAsync()
    {
        _received.Writer.TryComplete();
        if (_call is not null)
        {
            _closing.CancelAfter(ClosePatience);
            try
            {
                await _call.RequestStream.CompleteAsync().WaitAsync(ClosePatience);
                await _reading;
            }
            catch (Exception error) when (error is RpcException or IOException or InvalidOperationException
                or TimeoutException or OperationCanceledException)
            {
                // It is closed all the same.
            }
            await _closing.CancelAsync();
            await _reading;
            _call.Dispose();
        }
        _channel?.Dispose();
        _closing.Dispose();
        _writing.Dispose();
    }

    private static async Task ConnectedAsync(GrpcChannel channel, CancellationToken cancellationToken)
    {
        while (channel.State != ConnectivityState.Ready)
        {
            var state = channel.State;
            if (state == ConnectivityState.TransientFailure)
                throw new LinkException($"{channel.Target} cannot be reached");
            _ = channel.ConnectAsync(cancellationToken).ContinueWith(
                connect => connect.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted,
                TaskScheduler.Default);
            await channel.WaitForStateChangedAsync(state, cancellationToken);
        }
    }

    private async Task ReadAllAsync()
    {
        LinkException end;
        try
        {
            while (await _call!.ResponseStream.MoveNext(_closing.Token)) await TakeAsync(_call.ResponseStream.Current);
            end = new LinkException("the server ended the stream");
        }
        catch (RpcException error)
        {
            end = new LinkException(error.Status.Detail, error);
        }
        catch (Exception error) when (error is OperationCanceledException or ChannelClosedException or IOException
            or InvalidOperationException)
        {
            end = new LinkException("the stream is closed", error);
        }
        _received.Writer.TryComplete(end);
    }

    private async ValueTask TakeAsync(ServerMessage received)
    {
        try
        {
            // A type that is not known here comes from a newer server.
            if (ServerJson.Read(received.Json.Span) is { } message
                && (message.Recipient is null || message.Recipient == _client))
                await _received.Writer.WriteAsync(message, _closing.Token);
        }
        catch (MessageRefusedException refused)
        {
            _log.Unreadable(_client.Value, refused.Message);
        }
    }

    private SocketsHttpHandler NewHandler()
    {
        var http = new SocketsHttpHandler
        {
            KeepAlivePingDelay = _settings.KeepAlive,
            KeepAlivePingTimeout = _settings.KeepAlive,
            InitialHttp2StreamWindowSize = 4 << 20,
        };
        if (_settings.CaFile is { } file)
        {
            var roots = new X509Certificate2Collection();
            roots.ImportFromPemFile(file);
            http.SslOptions = new SslClientAuthenticationOptions
            {
                CertificateChainPolicy = new X509ChainPolicy
                {
                    TrustMode = X509ChainTrustMode.CustomRootTrust,
                    RevocationMode = X509RevocationMode.NoCheck,
                },
            };
            http.SslOptions.CertificateChainPolicy.CustomTrustStore.AddRange(roots);
        }
        return http;
    }
}
