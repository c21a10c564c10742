using System.Net.Sockets;
using System.Text;

namespace ImageServer.Protocol;

/// <summary>A client's connection to the server. One caller at a time.</summary>
public sealed class ImageConnection : IDisposable
{
    /// <summary>The server's port unless it was given another.</summary>
    public const int DefaultPort = 5556;

    /// <summary>The line end of the 8-bit computers that the protocol was made for. CR and LF do as well.</summary>
    public const byte LineEnd = 0x9B;

    private readonly TcpClient _tcp;
    private readonly BufferedStream _stream;

    private ImageConnection(TcpClient tcp) => (_tcp, _stream) = (tcp, new BufferedStream(tcp.GetStream(), 64 * 1024));

    /// <summary>Connects.</summary>
    /// <exception cref="SocketException">Nothing listens there.</exception>
    public static async Task<ImageConnection> ConnectAsync(
        string host, int port, CancellationToken cancellationToken = default)
    {
        var tcp = new TcpClient { NoDelay = true };
        try
        {
            await tcp.ConnectAsync(host, port, cancellationToken);
            return new ImageConnection(tcp);
        }
        catch
        {
            tcp.Dispose();
            throw;
        }
    }

    /// <summary>Sends a line.</summary>
    public async Task SendAsync(string line, CancellationToken cancellationToken = default)
        => await _tcp.Client.SendAsync(Encode(line), cancellationToken);

    /// <summary>Reads the next answer.</summary>
    /// <inheritdoc cref="WireReader.ReadAsync"/>
    public Task<ReceivedAnswer> ReadAsync(CancellationToken cancellationToken = default)
        => WireReader.ReadAsync(_stream, cancellationToken);

    /// <summary>Sends a line and reads the answer to it.</summary>
    public async Task<ReceivedAnswer> AskAsync(string line, CancellationToken cancellationToken = default)
    {
        await SendAsync(line, cancellationToken);
        return await ReadAsync(cancellationToken);
    }

    /// <summary>Ends the connection as a crash does: without saying so.</summary>
    public void Abort()
    {
        _tcp.Client.LingerState = new LingerOption(true, 0);
        _tcp.Dispose();
    }

    /// <summary>Ends the connection.</summary>
    public void Dispose()
    {
        _stream.Dispose();
        _tcp.Dispose();
    }

    // A character whose UTF-8 holds a line end would part the line in two.
    private static byte[] Encode(string line)
    {
        var text = new StringBuilder();
        foreach (var rune in line.EnumerateRunes())
        {
            byte[] bytes = Encoding.UTF8.GetBytes(rune.ToString());
            text.Append(bytes.AsSpan().ContainsAny(LineEnd, (byte)'\r', (byte)'\n') ? "?" : rune.ToString());
        }

        return [.. Encoding.UTF8.GetBytes(text.ToString()), LineEnd];
    }
}
