using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace SafeAmqp.IntegrationTests.Support;

/// <summary>
/// Stands between clients and the broker and understands AMQP frames: notes the methods that pass, holds back what the
/// broker says on one channel while the others go on, puts frames of its own into a channel, and cuts all connections
/// at once.
/// </summary>
public sealed class FrameRelay : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly ConcurrentDictionary<Connection, bool> _connections = [];
    private readonly ConcurrentQueue<AmqpMethod> _methods = [];
    private readonly ConcurrentQueue<int> _spoiled = [];
    private readonly Uri _broker;
    private readonly Task _accepting;
    private volatile Func<AmqpMethod, bool>? _hold;
    private volatile Func<AmqpMethod, bool>? _mute;
    private volatile Func<AmqpMethod, bool>? _cut;
    private volatile Func<byte[], bool>? _spoil;
    private volatile bool _refuses, _cutsBehind;
    private int _cuts;

    public FrameRelay(string broker)
    {
        _broker = new Uri(broker);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>The broker's URI, by way of this relay.</summary>
    public string Uri
        => new UriBuilder(_broker) { Host = "127.0.0.1", Port = ((IPEndPoint)_listener.LocalEndpoint).Port }.Uri
            .ToString();

    /// <summary>How many connections were accepted.</summary>
    public int Accepted { get; private set; }

    /// <summary>What passed so far: every method frame, in both directions. What is held back has not passed.</summary>
    public IReadOnlyList<AmqpMethod> Methods => [.. _methods];

    /// <summary>How many frames are being held back.</summary>
    public int Held => _connections.Keys.Sum(connection => connection.Held);

    /// <summary>
    /// From now on, whenever the broker sends such a method, it and all that follows on its channel is held back.
    /// </summary>
    public void Hold(Func<AmqpMethod, bool> method) => _hold = method;

    /// <summary>How often <see cref="CutAt"/> cut.</summary>
    public int Cuts => Volatile.Read(ref _cuts);

    /// <summary>
    /// From now on, ends the connection on which such a method comes by, from either side: before it passes, or
    /// behind it.
    /// </summary>
    public void CutAt(Func<AmqpMethod, bool>? method, bool behind = false) => (_cutsBehind, _cut) = (behind, method);

    /// <summary>From now on, gives such frames of clients a wrong end, over which the broker closes the
    /// connection.</summary>
    public void Spoil(Func<byte[], bool> frame) => _spoil = frame;

    /// <summary>The connections on which frames were spoiled.</summary>
    public IReadOnlyList<int> SpoiledOn => [.. _spoiled];

    /// <summary>Lets everything pass, what was held back first.</summary>
    public async Task ReleaseAsync()
    {
        _hold = null;
        foreach (Connection connection in _connections.Keys)
            await connection.ReleaseAsync();
    }

    /// <summary>
    /// From now on, when a client sends such a method, neither it nor anything that follows on its connection gets to
    /// the broker: as if the client had been killed just before, without the broker having noticed.
    /// </summary>
    public void Mute(Func<AmqpMethod, bool> method) => _mute = method;

    /// <summary>Closes whatever connects, until <see cref="Accept"/>.</summary>
    public void Refuse() => _refuses = true;

    public void Accept() => _refuses = false;

    /// <summary>Resets every connection, towards both ends.</summary>
    public void Cut()
    {
        foreach (Connection connection in _connections.Keys)
            connection.Reset();
    }

    /// <summary>
    /// Sends the broker a method as if the client had, on the channel on which <paramref name="like"/> was seen.
    /// </summary>
    public Task SendAsync(AmqpMethod like, byte[] payload)
        => _connections.Keys.Single(connection => connection.Number == like.Connection)
            .SendToBrokerAsync(Frame(like.Channel, payload));

    public async ValueTask DisposeAsync()
    {
        _listener.Stop();
        Cut();
        await _accepting;
    }

    private bool CutsAt(AmqpMethod? method)
    {
        if (method is null || _cut?.Invoke(method) != true)
            return false;
        Interlocked.Increment(ref _cuts);
        return true;
    }

    private static byte[] Frame(ushort channel, byte[] payload)
    {
        byte[] frame = new byte[payload.Length + 8];
        frame[0] = 1;
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(1), channel);
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(3), payload.Length);
        payload.CopyTo(frame, 7);
        frame[^1] = 0xCE;
        return frame;
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                TcpClient client = await _listener.AcceptTcpClientAsync();
                if (_refuses)
                {
                    client.Dispose();
                    continue;
                }
                var broker = new TcpClient { NoDelay = true };
                client.NoDelay = true;
                try
                {
                    await broker.ConnectAsync(_broker.Host, _broker.Port);
                }
                catch (SocketException)
                {
                    client.Dispose();
                    broker.Dispose();
                    continue;
                }
                var connection = new Connection(this, ++Accepted, client, broker);
                _connections[connection] = true;
                _ = RunAsync(connection);
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // The listener was stopped: during a wait, or before the next one.
        }
    }

    private async Task RunAsync(Connection connection)
    {
        await connection.RunAsync();
        _connections.TryRemove(connection, out _);
        connection.Dispose();
    }

    private sealed class Connection(FrameRelay relay, int number, TcpClient client, TcpClient broker) : IDisposable
    {
        private readonly SemaphoreSlim _toClient = new(1), _toBroker = new(1);
        private readonly Dictionary<ushort, List<byte[]>> _held = [];
        private bool _isMute;

        internal int Number => number;

        internal int Held
        {
            get
            {
                lock (_held)
                    return _held.Values.Sum(frames => frames.Count);
            }
        }

        internal async Task RunAsync()
        {
            Task up = PumpAsync(client, fromBroker: false);
            Task down = PumpAsync(broker, fromBroker: true);
            await Task.WhenAny(up, down);
            client.Dispose(); // an end of one side is the end of both, as data that was read has been written
            broker.Dispose();
            await Task.WhenAll(up, down);
        }

        public void Dispose()
        {
            _toClient.Dispose();
            _toBroker.Dispose();
        }

        internal void Reset()
        {
            foreach (TcpClient end in (TcpClient[])[client, broker])
            {
                try
                {
                    end.LingerState = new LingerOption(true, 0);
                }
                catch (Exception error)
                    when (error is SocketException or ObjectDisposedException or NullReferenceException)
                {
                    // It has ended by itself.
                }
                end.Dispose();
            }
        }

        internal Task SendToBrokerAsync(byte[] frame) => WriteAsync(_toBroker, broker.GetStream(), frame);

        internal async Task ReleaseAsync()
        {
            await _toClient.WaitAsync();
            try
            {
                List<byte[]> frames;
                lock (_held)
                {
                    frames = [.. _held.Values.SelectMany(held => held)];
                    _held.Clear();
                }
                foreach (byte[] frame in frames)
                {
                    Note(frame, fromBroker: true);
                    await client.GetStream().WriteAsync(frame);
                }
            }
            finally
            {
                _toClient.Release();
            }
        }

        private async Task PumpAsync(TcpClient end, bool fromBroker)
        {
            try
            {
                NetworkStream from = end.GetStream(); // which may have been cut already
                if (!fromBroker)
                {
                    byte[] header = new byte[8]; // "AMQP", then the version: no frame
                    await from.ReadExactlyAsync(header);
                    await SendToBrokerAsync(header);
                }
                while (true)
                {
                    byte[] head = new byte[7];
                    await from.ReadExactlyAsync(head);
                    byte[] frame = new byte[head.Length + BinaryPrimitives.ReadInt32BigEndian(head.AsSpan(3)) + 1];
                    head.CopyTo(frame, 0);
                    await from.ReadExactlyAsync(frame.AsMemory(head.Length));
                    bool cuts = relay.CutsAt(AmqpMethod.Of(frame, number, fromBroker)), behind = relay._cutsBehind;
                    if (cuts && !behind)
                    {
                        Reset();
                        return;
                    }
                    if (fromBroker)
                    {
                        await ForwardAsync(frame);
                    }
                    else if (!Mutes(frame))
                    {
                        if (relay._spoil?.Invoke(frame) == true)
                        {
                            frame[^1] ^= 1;
                            relay._spoiled.Enqueue(number);
                        }
                        Note(frame, fromBroker: false);
                        await SendToBrokerAsync(frame);
                    }
                    if (cuts)
                        return; // in order, so that what was written arrives
                }
            }
            catch (Exception error)
                when (error is IOException or ObjectDisposedException or SocketException or InvalidOperationException)
            {
                // One end is gone; the other follows.
            }
        }

        private bool Mutes(byte[] frame) => _isMute |= relay._mute is { } mute
            && AmqpMethod.Of(frame, number, fromBroker: false) is { } method && mute(method);

        private async Task ForwardAsync(byte[] frame)
        {
            await _toClient.WaitAsync();
            try
            {
                ushort channel = BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(1));
                lock (_held)
                {
                    if (_held.TryGetValue(channel, out List<byte[]>? held))
                    {
                        held.Add(frame);
                        return;
                    }
                    if (AmqpMethod.Of(frame, number, fromBroker: true) is { } method
                        && relay._hold?.Invoke(method) == true)
                    {
                        _held[channel] = [frame];
                        return;
                    }
                }
                Note(frame, fromBroker: true);
                await client.GetStream().WriteAsync(frame);
            }
            finally
            {
                _toClient.Release();
            }
        }

        private void Note(byte[] frame, bool fromBroker)
        {
            if (AmqpMethod.Of(frame, number, fromBroker) is { } method)
                relay._methods.Enqueue(method);
        }

        private static async Task WriteAsync(SemaphoreSlim gate, NetworkStream to, byte[] bytes)
        {
            await gate.WaitAsync();
            try
            {
                await to.WriteAsync(bytes);
            }
            finally
            {
                gate.Release();
            }
        }
    }
}

/// <summary>A method frame that passed a relay (AMQP 0-9-1, section 4.2.4).</summary>
public sealed record AmqpMethod(
    int Connection, bool FromBroker, ushort Channel, ushort ClassId, ushort MethodId, byte[] Payload)
{
    public bool IsQueueDeclareOk => (ClassId, MethodId) == (50, 11);
    public bool IsConsume => (ClassId, MethodId) == (60, 20);
    public bool IsConsumeOk => (ClassId, MethodId) == (60, 21);
    public bool IsAck => (ClassId, MethodId) == (60, 80) && !FromBroker;
    public bool IsReturn => (ClassId, MethodId) == (60, 50);
    public bool IsConnectionClose => (ClassId, MethodId) == (10, 50) && FromBroker;
    public bool IsMultiple => Payload[^1] != 0;

    /// <summary>The queue that a consume names.</summary>
    public string ConsumedQueue => Encoding.UTF8.GetString(Payload, 7, Payload[6]);

    /// <summary>An acknowledgement of one delivery.</summary>
    public static byte[] Ack(ulong tag)
    {
        byte[] payload = new byte[13];
        BinaryPrimitives.WriteUInt16BigEndian(payload, 60);
        BinaryPrimitives.WriteUInt16BigEndian(payload.AsSpan(2), 80);
        BinaryPrimitives.WriteUInt64BigEndian(payload.AsSpan(4), tag);
        return payload;
    }

    internal static AmqpMethod? Of(byte[] frame, int connection, bool fromBroker) => frame[0] != 1
        ? null
        : new AmqpMethod(connection, fromBroker, BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(1)),
            BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(7)),
            BinaryPrimitives.ReadUInt16BigEndian(frame.AsSpan(9)), frame[7..^1]);
}
