using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using static TestSupport.Wire.Frames;

namespace SafeAmqp.FaultTests.Support;

/// <summary>A whole message that a client has published.</summary>
/// <param name="Channel">The channel.</param>
/// <param name="Sequence">Its number on that channel, from 1.</param>
/// <param name="Properties">The payload of its content header from the flags on, as the client sent it.</param>
/// <param name="RoutingKey">The routing key.</param>
internal sealed record Published(ushort Channel, ulong Sequence, byte[] Properties, string RoutingKey);

/// <summary>
/// A peer that answers everything as a broker does, but for what a test answers in its place: confirms of any kind,
/// deliveries of any content, closes with any code. It checks nothing. Connections of any number, one after the other
/// or at once.
/// </summary>
internal sealed class ScriptedBroker : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _ended = new();
    private readonly ConcurrentDictionary<Peer, bool> _peers = [];
    private readonly ConcurrentBag<Task> _serving = [];
    private readonly Task _accepting;
    private int _connections;

    internal ScriptedBroker()
    {
        _listener.Start();
        _accepting = AcceptAsync();
    }

    internal string Uri => $"amqp://guest:guest@127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}/%2F";

    /// <summary>Connections that were opened, counted from the first.</summary>
    internal int Connections => Volatile.Read(ref _connections);

    /// <summary>What it offers: the largest frame, and how many channels.</summary>
    internal uint FrameMax { get; init; } = 131_072;

    internal ushort ChannelMax { get; init; } = 2047;

    /// <summary>Channels that were opened, on all connections.</summary>
    internal int Channels;

    /// <summary>What to send when a message has come; null sends its ack.</summary>
    internal Func<Peer, Published, byte[]?> OnPublish { get; set; } = (_, _) => null;

    /// <summary>What to send when a consumer has started on a queue, behind consume-ok.</summary>
    internal Func<Peer, ushort, string, byte[]?> OnConsume { get; set; } = (_, _, _) => null;

    /// <summary>Messages that came, in order.</summary>
    internal ConcurrentQueue<Published> Seen { get; } = [];

    /// <summary>Settlements that came: method id, tag, on which connection.</summary>
    internal ConcurrentQueue<(int Method, ulong Tag, int Connection)> Settled { get; } = [];

    /// <summary>Queues on which consumers were started, on which connection.</summary>
    internal ConcurrentQueue<(string Queue, int Connection)> Consumers { get; } = [];

    internal static byte[] On(ushort channel, byte[] frame)
    {
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(1), channel);
        return frame;
    }

    internal static byte[] Ack(ushort channel, ulong tag, bool multiple = false)
        => On(channel, Method(60, 80, Long(tag), [multiple ? (byte)1 : (byte)0]));

    internal static byte[] Nack(ushort channel, ulong tag, bool multiple = false)
        => On(channel, Method(60, 120, Long(tag), [multiple ? (byte)1 : (byte)0]));

    internal static byte[] CloseChannel(ushort channel, int code, string text, ushort method = 0)
        => On(channel, Method(
            20, 40, Short((ushort)code), Str(text), Short(method == 0 ? (ushort)0 : (ushort)60), Short(method)));

    internal static byte[] CloseConnection(int code, string text)
        => On(0, Method(10, 50, Short((ushort)code), Str(text), Short(0), Short(0)));

    /// <summary>The message back to its publisher, unroutable.</summary>
    internal static byte[] Return(Published message, string text = "NO_ROUTE") =>
    [
        .. On(message.Channel, Method(60, 50, Short(312), Str(text), Str(""), Str(message.RoutingKey))),
        .. On(
            message.Channel, Frame(2, message.Channel, [.. Short(60), .. Short(0), .. Long(0), .. message.Properties])),
    ];

    /// <summary>A delivery with a content header of the test's own.</summary>
    internal static byte[] Delivery(ushort channel, ulong tag, byte[] header, params byte[][] bodies) =>
    [
        .. On(channel, Method(60, 60, Str("consumer"), Long(tag), [0], Str(""), Str("key"))),
        .. On(channel, header),
        .. bodies.SelectMany(body => Frame(3, channel, body)),
    ];

    public async ValueTask DisposeAsync()
    {
        await _ended.CancelAsync();
        _listener.Dispose();
        await _accepting;
        foreach (Peer peer in _peers.Keys)
            peer.Dispose();
        await Task.WhenAll(_serving);
        _ended.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                _serving.Add(ServeAsync(await _listener.AcceptSocketAsync(_ended.Token)));
        }
        catch (Exception error) when (error is OperationCanceledException or ObjectDisposedException or SocketException
            or InvalidOperationException)
        {
            // The end.
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        var peer = new Peer(this, socket);
        _peers.TryAdd(peer, true);
        try
        {
            await peer.RunAsync(_ended.Token);
        }
        catch (Exception error)
            when (error is OperationCanceledException or IOException or SocketException or ObjectDisposedException)
        {
            // The client is gone, or the test.
        }
        finally
        {
            _peers.TryRemove(peer, out _);
            peer.Dispose();
        }
    }

    /// <summary>One connection.</summary>
    internal sealed class Peer(ScriptedBroker broker, Socket socket) : IDisposable
    {
        private readonly NetworkStream _stream = new(socket, ownsSocket: true);
        private readonly SemaphoreSlim _sending = new(1, 1);
        private readonly Dictionary<ushort, ulong> _sequences = [];
        private (ushort Channel, string Key)? _publishing;
        private byte[] _properties = [];
        private long _bodyLeft;
        private int _queues;

        /// <summary>Its number, from 1; 0 during the handshake.</summary>
        internal int Number { get; private set; }

        public void Dispose() => _stream.Dispose(); // the semaphore has no wait handle

        internal async Task SendAsync(byte[] frames)
        {
            await _sending.WaitAsync();
            try
            {
                await _stream.WriteAsync(frames);
            }
            finally
            {
                _sending.Release();
            }
        }

        internal async Task RunAsync(CancellationToken cancellationToken)
        {
            await _stream.ReadExactlyAsync(new byte[8], cancellationToken);
            await SendAsync(On(0, Method(10, 10, [0, 9], Table(Entry("capabilities", [(byte)'F', .. Table(
                Entry("publisher_confirms", (byte)'t', 1), Entry("basic.nack", (byte)'t', 1),
                Entry("consumer_cancel_notify", (byte)'t', 1),
                Entry("connection.blocked", (byte)'t', 1), Entry("authentication_failure_close", (byte)'t', 1))])),
                LongStr("PLAIN"), LongStr("en_US"))));
            byte[] prefix = new byte[7];
            while (true)
            {
                await _stream.ReadExactlyAsync(prefix, cancellationToken);
                byte[] payload = new byte[BinaryPrimitives.ReadInt32BigEndian(prefix.AsSpan(3)) + 1];
                await _stream.ReadExactlyAsync(payload, cancellationToken);
                ushort channel = BinaryPrimitives.ReadUInt16BigEndian(prefix.AsSpan(1));
                byte[]? answer = prefix[0] switch
                {
                    1 => Answer(channel, payload[..^1]),
                    2 => Header(payload[..^1]),
                    3 => Body(payload.Length - 1),
                    _ => null,
                };
                if (answer is not null)
                    await SendAsync(answer);
            }
        }

        private byte[]? Answer(ushort channel, byte[] payload)
        {
            uint method = BinaryPrimitives.ReadUInt32BigEndian(payload);
            switch (method >> 16, method & 0xFFFF)
            {
                case (10, 11): return On(0, Method(10, 30, Short(broker.ChannelMax), Int(broker.FrameMax), Short(30)));
                case (10, 40):
                    Number = Interlocked.Increment(ref broker._connections);
                    return On(0, Method(10, 41, Str("")));
                case (10, 50): return On(0, Method(10, 51));
                case (20, 10):
                    Interlocked.Increment(ref broker.Channels);
                    _sequences[channel] = 0;
                    return On(channel, Method(20, 11, Int(0)));
                case (20, 40): return On(channel, Method(20, 41));
                case (40, 10): return On(channel, Method(40, 11));
                case (50, 10):
                    string queue = ShortText(payload, 6);
                    return On(channel, Method(
                        50, 11, Str(queue.Length > 0 ? queue : $"generated-{Number}-{++_queues}"), Int(0), Int(0)));
                case (50, 20): return On(channel, Method(50, 21));
                case (60, 10): return On(channel, Method(60, 11));
                case (60, 20):
                    string consumed = ShortText(payload, 6);
                    broker.Consumers.Enqueue((consumed, Number));
                    return [
                        .. On(channel, Method(60, 21, Str("consumer"))),
                        .. broker.OnConsume(this, channel, consumed) ?? []];
                case (60, 30): return On(channel, Method(60, 31, Str("consumer")));
                case (60, 40):
                    int key = 6 + 1 + payload[6];
                    _publishing = (channel, ShortText(payload, key));
                    return null;
                case (60, 80) or (60, 90) or (60, 120):
                    broker.Settled.Enqueue(
                        ((int)(method & 0xFFFF), BinaryPrimitives.ReadUInt64BigEndian(payload.AsSpan(4)), Number));
                    return null;
                case (85, 10): return On(channel, Method(85, 11));
                default: return null;
            }
        }

        private byte[]? Header(byte[] payload)
        {
            _properties = payload[12..];
            _bodyLeft = BinaryPrimitives.ReadInt64BigEndian(payload.AsSpan(4));
            return _bodyLeft == 0 ? Complete() : null;
        }

        private byte[]? Body(int size)
        {
            _bodyLeft -= size;
            return _bodyLeft == 0 ? Complete() : null;
        }

        private byte[] Complete()
        {
            (ushort channel, string key) = _publishing!.Value;
            var message = new Published(
                channel, _sequences[channel] = _sequences.GetValueOrDefault(channel) + 1, _properties, key);
            broker.Seen.Enqueue(message);
            return broker.OnPublish(this, message) ?? Ack(channel, message.Sequence);
        }

        private static string ShortText(byte[] payload, int at)
            => Encoding.UTF8.GetString(payload, at + 1, payload[at]);
    }
}
