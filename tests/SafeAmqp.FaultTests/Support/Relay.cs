using System.Net;
using System.Net.Sockets;

namespace SafeAmqp.FaultTests.Support;

/// <summary>How a relay treats one connection. Counts are of bytes passed on in that direction.</summary>
internal sealed class RelayPlan
{
    /// <summary>Ends the connection after so many bytes in this direction.</summary>
    public long CutToClient { get; init; } = long.MaxValue;

    public long CutToBroker { get; init; } = long.MaxValue;

    /// <summary>
    /// What the cut is: a reset, which may swallow what is on its way, or an orderly end; or silence with the
    /// connection left open.
    /// </summary>
    public CutKind Kind { get; init; }

    /// <summary>The largest piece that is passed on at once.</summary>
    public Func<int> Slice { get; init; } = () => int.MaxValue;

    /// <summary>For how long bytes are gathered before they are passed on together.</summary>
    public TimeSpan Gather { get; init; }
}

internal enum CutKind
{
    Reset,
    End,
    Silence,
}

/// <summary>
/// Stands between clients and a broker and lets each connection pass by its plan: the first by
/// <paramref name="first"/>, later ones unharmed. Ends its connections when it is disposed.
/// </summary>
internal sealed class Relay : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _ended = new();
    private readonly List<Task> _connections = [];
    private readonly Lock _gate = new();
    private readonly HashSet<Socket> _open = [];
    private readonly int _brokerPort;
    private readonly RelayPlan _first;
    private readonly Task _accepting;
    private long _toClient, _toBroker;
    private int _cuts, _accepted;

    internal Relay(int brokerPort, RelayPlan? first = null)
    {
        _brokerPort = brokerPort;
        _first = first ?? new RelayPlan();
        _listener.Start(64);
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _accepting = AcceptAsync();
    }

    internal int Port { get; }

    internal string Uri => $"amqp://guest:guest@127.0.0.1:{Port}/%2F";

    /// <summary>
    /// How many connections were ended, or silenced, by plan. A test in which none was proves nothing.
    /// </summary>
    internal int Cuts => Volatile.Read(ref _cuts);

    internal int Accepted => Volatile.Read(ref _accepted);

    /// <summary>What the first connection passed on.</summary>
    internal long PassedToClient => Volatile.Read(ref _toClient);

    internal long PassedToBroker => Volatile.Read(ref _toBroker);

    /// <summary>Passes nothing on to the broker while it is set; what the broker says passes.</summary>
    internal bool HoldToBroker { get; set; }

    /// <summary>Resets every new connection at once.</summary>
    internal bool Refuse { get; set; }

    /// <summary>Resets all connections that are open.</summary>
    internal int ResetAll()
    {
        Socket[] open;
        lock (_gate)
            open = [.. _open];
        foreach (Socket socket in open)
            Close(socket, reset: true);
        return open.Length / 2;
    }

    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        _listener.Dispose();
        ResetAll();
        await _accepting;
        Task[] connections;
        lock (_gate)
            connections = [.. _connections];
        await Task.WhenAll(connections);
        _ended.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                Socket client = await _listener.AcceptSocketAsync(_ended.Token);
                bool first = Interlocked.Increment(ref _accepted) == 1;
                if (Refuse)
                {
                    Close(client, reset: true);
                    continue;
                }
                Task serving = ServeAsync(client, first);
                lock (_gate)
                {
                    _connections.RemoveAll(connection => connection.IsCompleted);
                    _connections.Add(serving);
                }
            }
        }
        catch (Exception error) when (error is OperationCanceledException or ObjectDisposedException or SocketException
            or InvalidOperationException)
        {
            // The end.
        }
    }

    private async Task ServeAsync(Socket client, bool first)
    {
        RelayPlan plan = first ? _first : new RelayPlan();
        var broker = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        client.NoDelay = true;
        lock (_gate)
        {
            _open.Add(client);
            _open.Add(broker);
        }
        try
        {
            await broker.ConnectAsync(IPAddress.Loopback, _brokerPort, _ended.Token);
            Task up = CopyAsync(client, broker, plan, plan.CutToBroker, toBroker: true, first),
                down = CopyAsync(broker, client, plan, plan.CutToClient, toBroker: false, first);
            Task<bool> ended = await Task.WhenAny((Task<bool>)up, (Task<bool>)down);
            bool silence = await ended;
            if (silence)
                await Task.Delay(Timeout.Infinite, _ended.Token);
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // One of the ends is gone, or the relay is.
        }
        finally
        {
            bool reset = plan.Kind != CutKind.End;
            Close(client, reset);
            Close(broker, reset);
        }
    }

    /// <returns>Whether the connection is to stay open, silent.</returns>
    private async Task<bool> CopyAsync(Socket from, Socket to, RelayPlan plan, long cutAfter, bool toBroker, bool first)
    {
        byte[] buffer = new byte[64 << 10];
        long passed = 0;
        try
        {
            while (true)
            {
                if (cutAfter == 0)
                    return Cut(plan);
                int count = await from.ReceiveAsync(buffer, SocketFlags.None, _ended.Token);
                if (count == 0)
                    return false;
                if (plan.Gather > TimeSpan.Zero)
                    count += await GatherAsync(from, buffer.AsMemory(count), plan.Gather);
                while (toBroker && HoldToBroker)
                    await Task.Delay(5, _ended.Token);
                for (int sent = 0; sent < count;)
                {
                    int slice = (int)Math.Min(Math.Min(count - sent, plan.Slice()), cutAfter - passed);
                    int now = await to.SendAsync(buffer.AsMemory(sent, slice), SocketFlags.None, _ended.Token);
                    sent += now;
                    passed += now;
                    if (first)
                        Volatile.Write(ref toBroker ? ref _toBroker : ref _toClient, passed);
                    if (passed == cutAfter)
                        return Cut(plan);
                }
            }
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            return false;
        }
    }

    private bool Cut(RelayPlan plan)
    {
        Interlocked.Increment(ref _cuts);
        return plan.Kind == CutKind.Silence;
    }

    private async Task<int> GatherAsync(Socket from, Memory<byte> rest, TimeSpan time)
    {
        await Task.Delay(time, _ended.Token); // the fault itself, not a wait for anything
        return from.Available == 0 || rest.IsEmpty ? 0 : await from.ReceiveAsync(rest, SocketFlags.None, _ended.Token);
    }

    private void Close(Socket socket, bool reset)
    {
        lock (_gate)
            _open.Remove(socket);
        try
        {
            if (reset)
                socket.LingerState = new LingerOption(true, 0);
            else
                socket.Shutdown(SocketShutdown.Both);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // Gone already.
        }
        socket.Dispose();
    }
}
