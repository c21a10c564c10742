using System.Net;

namespace QuicTransports.Ngtcp2;

/// <summary>QUIC on libngtcp2: one thread for a server with all its connections, and one for each client.</summary>
internal static class Ngtcp2Quic
{
    public static ValueTask<IQuicListener> ListenAsync(QuicOptions settings) => ValueTask.FromResult<IQuicListener>(
        new Endpoint("fl-quic-server", new IPEndPoint(settings.Listen, settings.Port), isServer: true, settings));

    public static async Task<IQuicConnection> ConnectAsync(QuicOptions settings, CancellationToken cancellationToken)
    {
        var server = await ServerAddress.ResolveAsync(settings, cancellationToken);
        var endpoint = new Endpoint("fl-quic-client", server, isServer: false, settings);
        try
        {
            var connection = endpoint.Connect(server, chain => chain.FindProblem(settings, server.Address));
            await connection.Ready.WaitAsync(cancellationToken);
            return new Client(endpoint, connection);
        }
        catch
        {
            await endpoint.DisposeAsync();
            throw;
        }
    }

    // A client's connection takes its socket and thread with it.
    private sealed class Client(Endpoint endpoint, Connection connection) : IQuicConnection
    {
        public string Peer => connection.Peer;

        public ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken)
            => connection.ReadAsync(buffer, cancellationToken);

        public ValueTask WriteAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken)
            => connection.WriteAsync(bytes, cancellationToken);

        public Task<bool> AnswersAsync(TimeSpan within, CancellationToken cancellationToken)
            => connection.AnswersAsync(within, cancellationToken);

        public Task FinishAsync(CancellationToken cancellationToken) => connection.FinishAsync(cancellationToken);

        public ValueTask DisposeAsync() => endpoint.DisposeAsync();
    }
}
