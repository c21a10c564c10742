using System.Net;
using System.Net.Sockets;
using RabbitMQ.Client;
using SafeAmqp.Transport;

namespace SafeAmqp.Broker;

/// <summary>Gives RabbitMQ.Client our stream in place of its own socket. TLS lies inside ours, so the factory's stays off.</summary>
internal sealed class SocketAdapter(Func<IPAddress, int, CancellationToken, Task<LinkStream>> connect) : ITcpClient
{
    private LinkStream? _stream;

    public bool Connected => _stream is { End: LinkEnd.None };

    public TimeSpan ReceiveTimeout { get; set; }

    public Socket Client => _stream?.Socket ?? throw new InvalidOperationException("Not connected.");

    public async Task ConnectAsync(IPAddress host, int port, CancellationToken cancellationToken = default)
        => _stream = await connect(host, port, cancellationToken).ConfigureAwait(false);

    public NetworkStream GetStream() => _stream ?? throw new InvalidOperationException("Not connected.");

    public void Close() => _stream?.Dispose();

    public void Dispose() => Close();
}
