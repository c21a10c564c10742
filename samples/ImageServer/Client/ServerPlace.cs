using System.Net.Sockets;
using ImageServer.Local;
using ImageServer.Protocol;

namespace ImageServer.Client;

/// <summary>A connection, and the server of our own behind it where none was running.</summary>
internal sealed class ServerPlace : IAsyncDisposable
{
    private readonly LocalSystem? _own;

    private ServerPlace(ImageConnection connection, LocalSystem? own) => (Connection, _own) = (connection, own);

    public ImageConnection Connection { get; }

    /// <summary>Connects to the server that was named, or to the one on this machine; starts one where neither
    /// is.</summary>
    public static async Task<ServerPlace> FindAsync(ClientOptions options, CancellationToken cancellationToken)
    {
        try
        {
            return new ServerPlace(
                await ImageConnection.ConnectAsync(options.Host ?? "localhost", options.Port, cancellationToken), null);
        }
        catch (SocketException) when (options.Host is null)
        {
            await Console.Error.WriteLineAsync(
                "No server runs on this machine: starting one, with a broker and a worker.");
            var own = await LocalSystem.StartAsync(
                workers: 1, new Dictionary<string, string>(), cancellationToken: cancellationToken);
            return new ServerPlace(await ImageConnection.ConnectAsync("127.0.0.1", own.Port, cancellationToken), own);
        }
    }

    public ValueTask DisposeAsync() => _own?.DisposeAsync() ?? ValueTask.CompletedTask;
}
