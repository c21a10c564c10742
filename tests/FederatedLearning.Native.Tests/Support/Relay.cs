using System.Net;
using System.Net.Sockets;

namespace FederatedLearning.Tests.Support;

/// <summary>
/// Stands between QUIC clients and a server: counts datagrams, bytes and connection ids on its sockets, and may lose or
/// hold back what it is given.
/// </summary>
internal sealed class Relay : IAsyncDisposable
{
    private readonly Socket _front = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
    private readonly Dictionary<SocketAddress, Socket> _backs = [];
    private readonly CancellationTokenSource _end = new();
    private readonly IPEndPoint _server;
    private readonly List<Task> _running = [];
    private readonly Lock _lock = new();
    private int _count;

    public Relay(IPEndPoint server)
    {
        _server = server;
        _front.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _front.ReceiveBufferSize = _front.SendBufferSize = 4 << 20;
        _running.Add(ForwardAsync());
    }

    public int Port => ((IPEndPoint)_front.LocalEndPoint!).Port;

    /// <summary>Of so many datagrams one is lost; 0: none.</summary>
    public int LosesOneOf { get; set; }

    /// <summary>Nothing goes through any more: to the other side this end is dead.</summary>
    public bool IsCut { get; set; }

    public long BytesToServer { get; private set; }

    public long BytesToClients { get; private set; }

    /// <summary>From how many addresses clients came.</summary>
    public int Clients
    {
        get { lock (_lock) return _backs.Count; }
    }

    /// <summary>
    /// The ids by which short packets address the server, and those that clients gave themselves in their first
    /// packets.
    /// </summary>
    public HashSet<string> ServerIds { get; } = [];

    public HashSet<string> ClientIds { get; } = [];

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _front.Dispose();
        foreach (var back in _backs.Values)
            back.Dispose();
        foreach (var task in _running)
            await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _end.Dispose();
    }

    private async Task ForwardAsync()
    {
        byte[] datagram = new byte[65_536];
        while (true)
        {
            var from = new SocketAddress(AddressFamily.InterNetwork);
            int length = await _front.ReceiveFromAsync(datagram, SocketFlags.None, from, _end.Token);
            lock (_lock)
            {
                BytesToServer += length;
                Note(datagram.AsSpan(0, length));
            }
            if (!Passes())
                continue;
            if (!_backs.TryGetValue(from, out var back))
            {
                back = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
                back.Connect(_server);
                back.ReceiveBufferSize = back.SendBufferSize = 4 << 20;
                lock (_lock)
                    _backs.Add(from, back);
                _running.Add(AnswerAsync(back, from));
            }
            await SendAsync(() => back.SendAsync(datagram.AsMemory(0, length), SocketFlags.None, _end.Token));
        }
    }

    private async Task AnswerAsync(Socket back, SocketAddress to)
    {
        byte[] datagram = new byte[65_536];
        while (true)
        {
            int length;
            try
            {
                length = await back.ReceiveAsync(datagram, SocketFlags.None, _end.Token);
            }
            catch (SocketException)
            {
                continue; // nothing listens there for now
            }
            lock (_lock)
                BytesToClients += length;
            if (Passes())
                await SendAsync(() => _front.SendToAsync(datagram.AsMemory(0, length), SocketFlags.None, to,
                    _end.Token));
        }
    }

    private static async Task SendAsync(Func<ValueTask<int>> send)
    {
        try
        {
            await send();
        }
        catch (SocketException)
        {
            // Lost on the way.
        }
    }

    private bool Passes() => !IsCut && (LosesOneOf == 0 || Interlocked.Increment(ref _count) % LosesOneOf != 0);

    // A long header names the client's own id; a short one the server's, which here has 16 bytes.
    private void Note(ReadOnlySpan<byte> packet)
    {
        if (packet.Length < 21)
            return;
        if ((packet[0] & 0x80) == 0)
        {
            ServerIds.Add(Convert.ToHexString(packet.Slice(1, 16)));
            return;
        }
        var rest = packet[(6 + packet[5])..];
        ClientIds.Add(Convert.ToHexString(rest.Slice(1, rest[0])));
    }
}
