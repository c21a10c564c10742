using System.Net;
using System.Net.Quic;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Threading.Channels;

namespace QuicTransports;

/// <summary>QUIC on System.Net.Quic, whose library has threads of its own.</summary>
internal static class SystemQuic
{
    private const int Window = 1 << 20;
    private static readonly List<SslApplicationProtocol> Protocols = [new(QuicOptions.Alpn.ToArray())];

    public static async ValueTask<IQuicListener> ListenAsync(QuicOptions settings)
    {
        using var own = ServerCertificate.Load(settings);
        // Its library cannot use a key that lives in memory alone.
        var certificate = X509CertificateLoader.LoadPkcs12(own.Leaf.HasPrivateKey
            ? own.Leaf.Export(X509ContentType.Pfx)
            : throw new InvalidOperationException("QUIC_KEY must hold the key of QUIC_CERTIFICATE."), null);
        var options = With(new QuicServerConnectionOptions
        {
            MaxInboundBidirectionalStreams = 1,
            ServerAuthenticationOptions = new SslServerAuthenticationOptions
            {
                ApplicationProtocols = Protocols,
                ServerCertificate = certificate,
            },
        }, settings);
        var listener = await QuicListener.ListenAsync(new QuicListenerOptions
        {
            ListenEndPoint = new IPEndPoint(settings.Listen, settings.Port),
            ApplicationProtocols = Protocols,
            ListenBacklog = settings.MaxConnections,
            ConnectionOptionsCallback = (_, _, _) => ValueTask.FromResult(options),
        });
        return new Listener(listener, settings);
    }

    public static async Task<IQuicConnection> ConnectAsync(QuicOptions settings, CancellationToken cancellationToken)
    {
        var server = await ServerAddress.ResolveAsync(settings, cancellationToken);
        string? problem = null;
        var options = With(new QuicClientConnectionOptions
        {
            RemoteEndPoint = server,
            ClientAuthenticationOptions = new SslClientAuthenticationOptions
            {
                ApplicationProtocols = Protocols,
                TargetHost = settings.Host,
                RemoteCertificateValidationCallback = (_, certificate, chain, _) =>
                {
                    byte[][] shown = certificate is null ? [] : [certificate.GetRawCertData(),
                        .. chain?.ChainPolicy.ExtraStore.Select(between => between.RawData) ?? []];
                    return (problem = new CertificateChain(shown).FindProblem(settings, server.Address)) is null;
                },
            },
        }, settings);
        try
        {
            var connection = await QuicConnection.ConnectAsync(options, cancellationToken);
            var stream = await connection.OpenOutboundStreamAsync(QuicStreamType.Bidirectional, cancellationToken);
            return new Connection(connection, stream, settings.Stall);
        }
        catch (Exception error) when (error is QuicException or AuthenticationException)
        {
            throw new QuicLostException(problem ?? error.Message, error) { IsFinal = problem is not null };
        }
    }

    private static T With<T>(T options, QuicOptions settings) where T : QuicConnectionOptions
    {
        options.DefaultStreamErrorCode = 1;
        options.DefaultCloseErrorCode = 0;
        options.HandshakeTimeout = settings.ConnectTimeout;
        options.IdleTimeout = settings.IdleTimeout;
        options.KeepAliveInterval = settings.KeepAlive;
        options.InitialReceiveWindowSizes = new QuicReceiveWindowSizes
        {
            Connection = Window,
            LocallyInitiatedBidirectionalStream = Window,
            RemotelyInitiatedBidirectionalStream = Window,
        };
        return options;
    }

    private sealed class Listener : IQuicListener
    {
        private readonly QuicListener _listener;
        private readonly QuicOptions _settings;
        private readonly Channel<IQuicConnection> _accepted = Channel.CreateUnbounded<IQuicConnection>();
        private readonly CancellationTokenSource _stop = new();
        private readonly Task _running;
        private int _connections;

        public Listener(QuicListener listener, QuicOptions settings)
        {
            (_listener, _settings) = (listener, settings);
            _running = AcceptAllAsync();
        }

        public IPEndPoint Local => _listener.LocalEndPoint;

        public ChannelReader<IQuicConnection> Accepted => _accepted.Reader;

        public async ValueTask DisposeAsync()
        {
            await _stop.CancelAsync();
            await _listener.DisposeAsync();
            await _running;
            _stop.Dispose();
        }

        private async Task AcceptAllAsync()
        {
            while (!_stop.IsCancellationRequested)
            {
                try
                {
                    _ = AcceptStreamAsync(await _listener.AcceptConnectionAsync(_stop.Token));
                }
                catch (Exception error) when (error is QuicException or AuthenticationException)
                {
                    // One client's handshake has failed; the next is waited for.
                }
                catch (Exception error) when (error is OperationCanceledException or ObjectDisposedException)
                {
                    break;
                }
            }
            _accepted.Writer.TryComplete();
        }

        private async Task AcceptStreamAsync(QuicConnection connection)
        {
            try
            {
                if (Interlocked.Increment(ref _connections) > _settings.MaxConnections)
                    throw new QuicException(QuicError.ConnectionRefused, null, "There are too many connections.");
                using var limit = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
                limit.CancelAfter(_settings.ConnectTimeout);
                var stream = await connection.AcceptInboundStreamAsync(limit.Token);
                _accepted.Writer.TryWrite(
                    new Connection(connection, stream, _settings.Stall, () => Interlocked.Decrement(ref _connections)));
            }
            catch (Exception error) when (error is QuicException or OperationCanceledException)
            {
                Interlocked.Decrement(ref _connections);
                await connection.DisposeAsync();
            }
        }
    }

    private sealed class Connection(QuicConnection connection, QuicStream stream, TimeSpan stall,
        Action? closed = null) : IQuicConnection
    {
        private const int Piece = 1 << 20;

        private readonly SemaphoreSlim _writing = new(1);

        public string Peer => connection.RemoteEndPoint.ToString();

        public async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
        {
            try
            {
                return await stream.ReadAsync(buffer, cancellationToken);
            }
            catch (QuicException error) when (error.QuicError == QuicError.ConnectionAborted
                && error.ApplicationErrorCode == 0)
            {
                return 0;
            }
            catch (Exception error) when (error is QuicException or ObjectDisposedException)
            {
                throw new QuicLostException(error.Message, error);
            }
        }

        public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
            => new(WriteAllAsync(bytes).WaitAsync(cancellationToken));

        public async Task<bool> AnswersAsync(TimeSpan within, CancellationToken cancellationToken)
        {
            // While something is being sent the time-out of that decides.
            if (_writing.CurrentCount == 0)
                return true;
            try
            {
                await WriteAllAsync("\n"u8.ToArray()).WaitAsync(within, cancellationToken);
                return true;
            }
            catch (Exception error) when (error is TimeoutException or QuicLostException)
            {
                return false;
            }
        }

        public async Task FinishAsync(CancellationToken cancellationToken)
        {
            try
            {
                stream.CompleteWrites();
                await stream.ReadsClosed.WaitAsync(cancellationToken);
            }
            catch (QuicException)
            {
                // The peer has closed the connection: it has ended its side.
            }
        }

        public async ValueTask DisposeAsync()
        {
            await connection.CloseAsync(0);
            await stream.DisposeAsync();
            await connection.DisposeAsync();
            closed?.Invoke();
        }

        // In pieces, so that a peer that reads is told from one that does not.
        private async Task WriteAllAsync(ReadOnlyMemory<byte> bytes)
        {
            await _writing.WaitAsync();
            try
            {
                for (int at = 0; at < bytes.Length; at += Piece)
                {
                    using var limit = new CancellationTokenSource(stall);
                    await stream.WriteAsync(bytes.Slice(at, Math.Min(Piece, bytes.Length - at)), limit.Token);
                }
            }
            catch (OperationCanceledException error)
            {
                throw new QuicLostException($"the peer read nothing for {stall.TotalSeconds} s", error);
            }
            catch (Exception error) when (error is QuicException or ObjectDisposedException)
            {
                throw new QuicLostException(error.Message, error);
            }
            finally
            {
                _writing.Release();
            }
        }
    }
}
