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
    private readonly SemaphoreSlim _writing = new(1);
    private readonly ServerInbox _inbox;
    private readonly CancellationTokenSource _closing = new();

    private GrpcChannel? _channel;
    private volatile string? _untrusted;
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
        _inbox = new ServerInbox(client, GrpcProtocolHandler.Title, loggers.CreateLogger<GrpcClientLink>());
    }

    /// <inheritdoc/>
    public string Protocol => GrpcProtocolHandler.ProtocolName;

    /// <inheritdoc/>
    public ChannelReader<OutgoingMessage> Received => _inbox.Received;

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
        _call = new FederatedLearningService.FederatedLearningServiceClient(_channel)
            .Connect(cancellationToken: _closing.Token);
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(_settings.KeepAlive);
        try
        {
            await _call.ResponseHeadersAsync.WaitAsync(limit.Token);
        }
        catch (RpcException error) when (_untrusted is not null)
        {
            throw new LinkException(
                $"the certificate of {_channel.Target} is not trusted: {_untrusted}", error)
            { IsFinal = true };
        }
        catch (RpcException error)
        {
            throw new LinkException(error.Status.Detail, error);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new LinkException($"{_settings.Address.Authority} does not answer");
        }
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
        _inbox.Complete();
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

    // The server has said its last word, and waits for the end of this side before it closes the connection.
    private async Task FinishAsync()
    {
        await _writing.WaitAsync(_closing.Token);
        try
        {
            await _call!.RequestStream.CompleteAsync();
        }
        finally
        {
            _writing.Release();
        }
    }

    private async Task ReadAllAsync()
    {
        LinkException end;
        try
        {
            while (await _call!.ResponseStream.MoveNext(_closing.Token))
            {
                var json = _call.ResponseStream.Current.Json;
                var message = await _inbox.TakeAsync(json.Span, cancellationToken: _closing.Token);
                if (message is TrainingComplete or Rejected) await FinishAsync();
            }
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
        _inbox.Complete(end);
    }

    private SocketsHttpHandler NewHandler()
    {
        var http = new SocketsHttpHandler
        {
            KeepAlivePingDelay = _settings.KeepAlive,
            KeepAlivePingTimeout = _settings.KeepAlive,
            InitialHttp2StreamWindowSize = 4 << 20,
        };
        if (!_settings.Tls) return http;
        // The library says only that there is no connection.
        http.SslOptions.RemoteCertificateValidationCallback = (_, _, chain, errors) =>
        {
            if (errors == SslPolicyErrors.None) return true;
            _untrusted = errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors) && chain is not null
                ? string.Join(", ", chain.ChainStatus.Select(status => status.StatusInformation.TrimEnd('.')))
                : $"it is not for {_settings.Host}";
            return false;
        };
        if (_settings.CaFile is not { } file) return http;
        http.SslOptions.CertificateChainPolicy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
        };
        http.SslOptions.CertificateChainPolicy.CustomTrustStore.AddRange(Tls.ReadRoots(file));
        return http;
    }
}
