using System.Net;
using System.Net.Sockets;
using ImageServer.Server.State;

namespace ImageServer.Server.Clients;

/// <summary>Takes connections and runs a session for each. Listens from the host's start on; when the host stops, all
/// sessions end before it does.</summary>
internal sealed class Listener(
    CommandHandler handler, StateOwner owner, ImageSettings settings, ServerMetrics metrics, TimeProvider time,
        ILogger<Listener> log) : BackgroundService
{
    private static readonly TimeSpan PauseAfterFailure = TimeSpan.FromMilliseconds(100);

    // What is sent at once waits here; more of a picture waits in the session, once for each client that does not read.
    private const int SendBuffer = 16 * 1024;

    private readonly HashSet<Task> _sessions = [];
    private Socket? _listening;

    /// <summary>Where clients connect.</summary>
    public IPEndPoint EndPoint => (IPEndPoint)_listening!.LocalEndPoint!;

    public override Task StartAsync(CancellationToken cancellationToken)
    {
        _listening = new Socket(settings.Listen.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        if (settings.Listen.Equals(IPAddress.IPv6Any))
            _listening.DualMode = true;
        _listening.Bind(new IPEndPoint(settings.Listen, settings.Port));
        _listening.Listen(backlog: 1024);
        log.Listening(EndPoint.ToString());
        return base.StartAsync(cancellationToken);
    }

    public override void Dispose()
    {
        _listening?.Dispose();
        base.Dispose();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            while (true)
            {
                if (await AcceptAsync(stoppingToken) is not { } socket)
                    continue;
                _sessions.RemoveWhere(session => session.IsCompleted);
                _sessions.Add(ServeAsync(socket, stoppingToken));
            }
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            _listening!.Dispose();
        }

        await Task.WhenAll(_sessions);
    }

    private async Task<Socket?> AcceptAsync(CancellationToken stoppingToken)
    {
        try
        {
            return await _listening!.AcceptAsync(stoppingToken);
        }
        catch (SocketException error)
        {
            // The client has gone again, or there are no handles left: clients that leave free some.
            log.AcceptFailed(error);
            await Task.Delay(PauseAfterFailure, time, stoppingToken);
            return null;
        }
    }

    private async Task ServeAsync(Socket socket, CancellationToken stoppingToken)
    {
        await Task.Yield(); // the next one is accepted meanwhile
        if (await owner.ConnectAsync(AddressOf(socket)) is not { } id)
        {
            metrics.CutOff("too_many");
            log.TurnedAway(settings.MaxConnections);
            socket.Dispose();
            return;
        }

        try
        {
            socket.NoDelay = true;
            socket.SendBufferSize = SendBuffer;
            using var session = new ClientSession(id, socket, handler, owner, settings, metrics, time, log);
            await session.RunAsync(stoppingToken);
        }
        catch (Exception error)
        {
            log.SessionFailed(id, error); // one session's bug ends that session
        }
        finally
        {
            socket.Dispose();
            await owner.DisconnectAsync(id);
        }
    }

    private static string AddressOf(Socket socket)
    {
        try
        {
            return socket.RemoteEndPoint?.ToString() ?? "?";
        }
        catch (SocketException)
        {
            return "?"; // reset already
        }
    }
}
