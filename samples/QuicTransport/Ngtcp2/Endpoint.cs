using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Threading.Channels;
using static QuicTransports.Ngtcp2.Native;

namespace QuicTransports.Ngtcp2;

/// <summary>
/// One UDP socket with its connections and their timers, all owned by one thread. What others want of it is posted to
/// that thread.
/// </summary>
internal sealed unsafe class Endpoint : IQuicListener
{
    private const int CidLength = 16, MaxDatagram = 65_536, DatagramsAtOnce = 64;
    private const uint Version1 = 1;
    private const byte ShortestWithReset = 43;
    private const ulong InvalidToken = 0x0b, ConnectionRefused = 0x02;

    // From so many unfinished handshakes on, a client has to show first that its address is its own.
    private const int HandshakesBeforeRetry = 32;
    private static readonly TimeSpan LookAtLeastEvery = TimeSpan.FromMilliseconds(500),
        RetryTokenLife = TimeSpan.FromSeconds(10);

    private readonly QuicOptions _settings;
    private readonly Credentials _credentials;
    private readonly Thread _thread;
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentQueue<Action> _posted = new();
    private readonly Channel<IQuicConnection> _accepted = Channel.CreateUnbounded<IQuicConnection>();
    private readonly Dictionary<UInt128, Connection> _byCid = [];
    private readonly HashSet<Connection> _connections = [], _toWrite = [];
    private readonly byte[] _received = GC.AllocateUninitializedArray<byte>(MaxDatagram, pinned: true);
    private readonly byte[] _packet = GC.AllocateUninitializedArray<byte>(MaxDatagram, pinned: true);
    private readonly Socket _socket, _wake;
    private readonly SocketAddress _local, _from, _to;
    private readonly bool _isServer;
    private bool _stopping, _isRefused;
    private volatile bool _hasEnded;
    private long _lastLook;

    /// <summary>Binds the socket and starts the thread.</summary>
    /// <param name="threadName">At most 15 characters, so that the system shows it whole.</param>
    /// <param name="address">Where a server listens, or the server that a client talks to.</param>
    /// <param name="isServer">Whether connections are accepted.</param>
    /// <param name="settings">Times and trust.</param>
    /// <exception cref="SocketException">The address cannot be used.</exception>
    public Endpoint(string threadName, IPEndPoint address, bool isServer, QuicOptions settings)
    {
        (_isServer, _settings) = (isServer, settings);
        _credentials = isServer ? Credentials.OfServer(settings) : Credentials.OfClient();
        _socket = new Socket(address.AddressFamily, SocketType.Dgram, ProtocolType.Udp) { Blocking = false };
        _wake = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { Blocking = false };
        try
        {
            _socket.ReceiveBufferSize = _socket.SendBufferSize = 4 << 20;
            if (isServer)
                _socket.Bind(address);
            else
                _socket.Connect(address);
            _wake.Bind(new IPEndPoint(IPAddress.Loopback, 0));
            _wake.Connect(_wake.LocalEndPoint!);
        }
        catch
        {
            Release();
            throw;
        }
        Local = (IPEndPoint)_socket.LocalEndPoint!;
        _local = Local.Serialize();
        // A client's socket is connected: what comes is from its server.
        (_from, _to) = (isServer ? new SocketAddress(address.AddressFamily)
            : address.Serialize(), new SocketAddress(address.AddressFamily));
        _thread = new Thread(Run) { IsBackground = true, Name = threadName };
        _thread.Start();
    }

    /// <summary>Nanoseconds of a clock that only goes forward: the clock of ngtcp2.</summary>
    public static ulong Now => (ulong)(Stopwatch.GetTimestamp() * (1e9 / Stopwatch.Frequency));

    public IPEndPoint Local { get; }

    public ChannelReader<IQuicConnection> Accepted => _accepted.Reader;

    /// <summary>A new connection to the server; from any thread.</summary>
    public Connection Connect(IPEndPoint server, Func<CertificateChain, string?> verify)
    {
        var connection = new Connection(this, isServer: false, _settings.Stall) { Verify = verify };
        Post(() =>
        {
            var original = new PacketHeader { Version = Version1, Scid = Cid.Random(CidLength) };
            Open(connection, server.Serialize(), &original, null);
        });
        return connection;
    }

    /// <summary>
    /// Has the thread do something, from any thread. Once it has ended, every connection has, and the caller does it.
    /// </summary>
    public void Post(Action action)
    {
        _posted.Enqueue(action);
        if (_hasEnded)
        {
            RunPosted();
            return;
        }
        try
        {
            _wake.Send([1]);
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // A full buffer wakes the thread as well; a disposed socket means that it is ending and looks once more.
        }
    }

    /// <summary>On the thread: a connection has something to send.</summary>
    public void WantsToWrite(Connection connection) => _toWrite.Add(connection);

    /// <summary>On the thread: packets with this id are the connection's.</summary>
    public void Register(Connection connection, Cid* cid)
    {
        _byCid[Cid.KeyOf(cid)] = connection;
        connection.Cids.Add(Cid.KeyOf(cid));
    }

    /// <summary>On the thread: the id is no longer used.</summary>
    public void Unregister(Connection connection, Cid* cid)
    {
        if (connection.Cids.Remove(Cid.KeyOf(cid)))
            _byCid.Remove(Cid.KeyOf(cid));
    }

    /// <summary>
    /// On the thread: the token by which a peer believes that this endpoint has forgotten the connection.
    /// </summary>
    public void ResetToken(byte* token, Cid* cid)
    {
        fixed (byte* secret = _credentials.Secret)
            Check(ngtcp2_crypto_generate_stateless_reset_token(token, secret, (nuint)_credentials.Secret.Length, cid),
                "reset token");
    }

    public void Accept(Connection connection) => _accepted.Writer.TryWrite(connection);

    public ValueTask DisposeAsync()
    {
        Post(() => _stopping = true);
        return new ValueTask(_ended.Task.ContinueWith(_ => _thread.Join(), TaskScheduler.Default));
    }

    private void Run()
    {
        Exception? fault = null;
        try
        {
            while (!_stopping)
            {
                RunPosted();
                if (IsReadableWithin(RunTimersAndWrite()))
                    ReceiveAll();
                DropRefused();
            }
        }
        catch (Exception error)
        {
            fault = error;
        }
        foreach (var connection in _connections.ToArray())
            Close(connection, 0, new QuicLostException("this side has stopped", fault));
        _hasEnded = true;
        RunPosted();
        Release();
        _accepted.Writer.TryComplete(fault);
        _ended.TrySetResult();
    }

    private void RunPosted()
    {
        while (_posted.TryDequeue(out var action))
            action();
    }

    private void Release()
    {
        _socket.Dispose();
        _wake.Dispose();
        _credentials.Dispose();
    }

    // Returns how long nothing will have to be done unless something comes.
    private TimeSpan RunTimersAndWrite()
    {
        ulong now = Now, next = ulong.MaxValue;
        bool isTimeToLook = Stopwatch.GetElapsedTime(_lastLook) >= LookAtLeastEvery;
        if (isTimeToLook)
            _lastLook = Stopwatch.GetTimestamp();
        foreach (var connection in _connections.ToArray())
        {
            if (isTimeToLook && connection.FindNeglect(_settings.ConnectTimeout) is { } neglect)
            {
                Close(connection, 1, new QuicLostException(neglect));
                continue;
            }
            bool isDue = ngtcp2_conn_get_expiry(connection.Handle) <= now;
            if (isDue && ngtcp2_conn_handle_expiry(connection.Handle, now) is < 0 and int error)
                Fail(connection, error);
            else if (isDue || _toWrite.Contains(connection))
                Write(connection, now);
            if (!connection.IsDropped)
                next = Math.Min(next, ngtcp2_conn_get_expiry(connection.Handle));
        }
        if (_toWrite.Count > 0 || !_posted.IsEmpty)
            return TimeSpan.Zero;
        now = Now;
        var wait = next <= now ? TimeSpan.Zero
            : TimeSpan.FromMicroseconds(Math.Min(next - now, 1_000_000_000) / 1000 + 1);
        return wait < LookAtLeastEvery ? wait : LookAtLeastEvery;
    }

    private bool IsReadableWithin(TimeSpan wait)
    {
        List<Socket> readable = [_socket, _wake];
        Socket.Select(readable, null, null, wait);
        Span<byte> drained = stackalloc byte[16];
        while (readable.Contains(_wake) && _wake.Available > 0)
            _wake.Receive(drained);
        return readable.Contains(_socket);
    }

    private void ReceiveAll()
    {
        // Once in any case: an error makes a socket readable as well, with nothing in it.
        for (int i = 0; i < DatagramsAtOnce && (i == 0 || _socket.Available > 0); i++)
        {
            try
            {
                int length = _isServer
                    ? _socket.ReceiveFrom(_received, SocketFlags.None, _from)
                    : _socket.Receive(_received);
                if (length > 0)
                    Received(length);
            }
            catch (SocketException error)
            {
                Note(error);
            }
        }
    }

    private void Received(int length)
    {
        fixed (byte* packet = _received, local = _local.Buffer.Span, remote = _from.Buffer.Span)
        {
            var path = new Native.Path
            {
                Local = new Address { Bytes = local, Length = (uint)_local.Size },
                Remote = new Address { Bytes = remote, Length = (uint)_from.Size },
            };
            VersionCid ids;
            int decoded = ngtcp2_pkt_decode_version_cid(&ids, packet, (nuint)length, CidLength);
            if (decoded == ErrVersion && _isServer)
                SendVersions(&ids);
            if (decoded != 0)
                return;
            if (!_byCid.TryGetValue(Cid.KeyOf(ids.Dcid, ids.DcidLength), out var connection)
                && (connection = Admit(&ids, packet, length, &path)) is null)
                return;
            PacketInfo info = default;
            connection.Heard();
            int result = ngtcp2_conn_read_pkt_versioned(connection.Handle, &path, 1, &info, packet, (nuint)length, Now);
            if (result < 0)
                Fail(connection, result);
            else
                _toWrite.Add(connection);
        }
    }

    // The first packet of a connection, or one of a connection that this endpoint does not know.
    private Connection? Admit(VersionCid* ids, byte* packet, int length, Native.Path* path)
    {
        if (!_isServer)
            return null;
        if (ids->Version == 0)
        {
            if (length >= ShortestWithReset)
                SendReset(ids, length);
            return null;
        }
        PacketHeader header;
        if (ngtcp2_accept(&header, packet, (nuint)length) is not 0 and not ErrRetry)
            return null;
        if (_connections.Count >= _settings.MaxConnections)
        {
            Refuse(&header, ConnectionRefused);
            return null;
        }
        Cid originalDcid;
        if (header.Token.Length > 0)
        {
            if (!IsRetryTokenOf(&header, path, &originalDcid))
            {
                Refuse(&header, InvalidToken);
                return null;
            }
        }
        else if (_settings.AlwaysRetry || _connections.Count(one => !one.IsReady) >= HandshakesBeforeRetry)
        {
            SendRetry(&header, path);
            return null;
        }
        var connection = new Connection(this, isServer: true, _settings.Stall);
        Open(connection, _from, &header, header.Token.Length > 0 ? &originalDcid : null);
        return connection.IsDropped ? null : connection;
    }

    // A client's header holds its own id; a server's is that of the client's first packet.
    private void Open(Connection connection, SocketAddress remote, PacketHeader* first, Cid* beforeRetry)
    {
        if (_stopping)
        {
            connection.Drop(new QuicLostException("this side has stopped"));
            return;
        }
        fixed (byte* local = _local.Buffer.Span, peer = remote.Buffer.Span)
        {
            var path = new Native.Path
            {
                Local = new Address { Bytes = local, Length = (uint)_local.Size },
                Remote = new Address { Bytes = peer, Length = (uint)remote.Size },
            };
            connection.Peer = ((IPEndPoint)Local.Create(remote)).ToString();
            var own = _isServer ? Cid.Random(CidLength) : first->Scid;
            if (connection.TryOpen(&path, first, beforeRetry, &own, _settings, _credentials.Handle))
            {
                Register(connection, &own);
                if (_isServer)
                    Register(connection, &first->Dcid);
                _connections.Add(connection);
                _toWrite.Add(connection);
            }
        }
    }

    // Acknowledgements, handshake, and as much of what waits as flow and congestion control let through.
    private void Write(Connection connection, ulong now)
    {
        _toWrite.Remove(connection);
        AddressBytes local, remote;
        fixed (byte* packet = _packet)
        {
            bool isBlocked = false;
            for (int i = 0; i < DatagramsAtOnce; i++)
            {
                var path = new Native.Path
                {
                    Local = new Address { Bytes = (byte*)&local, Length = (uint)sizeof(AddressBytes) },
                    Remote = new Address { Bytes = (byte*)&remote, Length = (uint)sizeof(AddressBytes) },
                };
                PacketInfo info;
                nint taken;
                Vec data = default;
                bool isLast = false;
                bool hasData = !isBlocked && connection.TryNext(out data, out isLast);
                nint length = ngtcp2_conn_writev_stream_versioned(
                    connection.Handle, &path, 1, &info, packet, MaxDatagram, &taken, isLast ? 2u : 0u,
                    hasData ? connection.Stream : -1, hasData ? &data : null, hasData ? 1u : 0u, now);
                if (length is ErrStreamBlocked or ErrStreamShut or ErrStreamNotFound)
                {
                    isBlocked = true;
                    continue;
                }
                if (length < 0)
                {
                    Fail(connection, (int)length);
                    return;
                }
                if (hasData && taken >= 0)
                    connection.Taken(taken, isLast);
                if (length == 0)
                {
                    ngtcp2_conn_update_pkt_tx_time(connection.Handle, now);
                    return;
                }
                SetAddress(_to, new ReadOnlySpan<byte>(path.Remote.Bytes, (int)path.Remote.Length));
                Send((int)length);
            }
        }
        ngtcp2_conn_update_pkt_tx_time(connection.Handle, now);
        _toWrite.Add(connection);
    }

    /// <summary>On the thread: tells the peer why, and forgets the connection.</summary>
    public void Close(Connection connection, ulong applicationError, QuicLostException? reason)
    {
        if (connection.IsDropped)
            return;
        CloseError error;
        ngtcp2_connection_close_error_default(&error);
        ngtcp2_connection_close_error_set_application_error(&error, applicationError, null, 0);
        SendClose(connection, &error);
        Drop(connection, reason);
    }

    private void Fail(Connection connection, int code)
    {
        var reason = connection.Explain(code);
        if (code is not (ErrDraining or ErrIdle or ErrDrop or ErrHandshakeTimeout or ErrVersionReceived or ErrRetry))
        {
            CloseError error;
            ngtcp2_connection_close_error_default(&error);
            if (code == ErrCrypto)
                ngtcp2_connection_close_error_set_transport_error_tls_alert(
                    &error, ngtcp2_conn_get_tls_alert(connection.Handle), null, 0);
            else
                ngtcp2_connection_close_error_set_transport_error_liberr(&error, code, null, 0);
            SendClose(connection, &error);
        }
        Drop(connection, reason);
    }

    private void SendClose(Connection connection, CloseError* error)
    {
        AddressBytes local, remote;
        var path = new Native.Path
        {
            Local = new Address { Bytes = (byte*)&local, Length = (uint)sizeof(AddressBytes) },
            Remote = new Address { Bytes = (byte*)&remote, Length = (uint)sizeof(AddressBytes) },
        };
        PacketInfo info;
        fixed (byte* packet = _packet)
        {
            nint length = ngtcp2_conn_write_connection_close_versioned(
                connection.Handle, &path, 1, &info, packet, MaxDatagram, error, Now);
            if (length <= 0)
                return;
            SetAddress(_to, new ReadOnlySpan<byte>(path.Remote.Bytes, (int)path.Remote.Length));
            Send((int)length);
        }
    }

    private void Drop(Connection connection, QuicLostException? reason)
    {
        _connections.Remove(connection);
        _toWrite.Remove(connection);
        foreach (var cid in connection.Cids)
            _byCid.Remove(cid);
        connection.Drop(reason);
    }

    private void SendVersions(VersionCid* ids)
    {
        uint version = Version1;
        fixed (byte* packet = _packet)
            Answer(ngtcp2_pkt_write_version_negotiation(packet, MaxDatagram, (byte)RandomNumberGenerator.GetInt32(256),
                ids->Scid, ids->ScidLength, ids->Dcid, ids->DcidLength, &version, 1));
    }

    private void SendReset(VersionCid* ids, int length)
    {
        var cid = new Cid { Length = ids->DcidLength };
        new ReadOnlySpan<byte>(ids->Dcid, (int)ids->DcidLength).CopyTo(cid.Data);
        byte* token = stackalloc byte[ResetTokenLength];
        ResetToken(token, &cid);
        // Shorter than what it answers, so that two endpoints that know each other no more do not go on for ever.
        int random = Math.Min(length - 1 - ResetTokenLength, 40);
        byte* bytes = stackalloc byte[random];
        RandomNumberGenerator.Fill(new Span<byte>(bytes, random));
        fixed (byte* packet = _packet)
            Answer(ngtcp2_pkt_write_stateless_reset(packet, MaxDatagram, token, bytes, (nuint)random));
    }

    private void SendRetry(PacketHeader* header, Native.Path* path)
    {
        byte* token = stackalloc byte[RetryTokenLength];
        var scid = Cid.Random(CidLength);
        fixed (byte* packet = _packet, secret = _credentials.Secret)
        {
            nint length = ngtcp2_crypto_generate_retry_token(
                token, secret, (nuint)_credentials.Secret.Length, header->Version, path->Remote.Bytes,
                    path->Remote.Length, &scid,
                &header->Dcid, Now);
            if (length > 0)
                Answer(ngtcp2_crypto_write_retry(packet, MaxDatagram, header->Version, &header->Scid, &scid,
                    &header->Dcid, token,
                    (nuint)length));
        }
    }

    private bool IsRetryTokenOf(PacketHeader* header, Native.Path* path, Cid* originalDcid)
    {
        fixed (byte* secret = _credentials.Secret)
            return ngtcp2_crypto_verify_retry_token(
                originalDcid, header->Token.Base, header->Token.Length, secret, (nuint)_credentials.Secret.Length,
                    header->Version,
                path->Remote.Bytes, path->Remote.Length, &header->Dcid, (ulong)RetryTokenLife.TotalNanoseconds,
                    Now) == 0;
    }

    private void Refuse(PacketHeader* header, ulong code)
    {
        fixed (byte* packet = _packet)
            Answer(ngtcp2_crypto_write_connection_close(
                packet, MaxDatagram, header->Version, &header->Scid, &header->Dcid, code, null, 0));
    }

    private void Answer(nint length)
    {
        if (length <= 0)
            return;
        SetAddress(_to, _from.Buffer.Span[.._from.Size]);
        Send((int)length);
    }

    // What cannot be sent counts as lost on the way: QUIC sends it again.
    private void Send(int length)
    {
        try
        {
            var packet = _packet.AsSpan(0, length);
            if (_isServer)
                _socket.SendTo(packet, SocketFlags.None, _to);
            else
                _socket.Send(packet);
        }
        catch (SocketException error)
        {
            Note(error);
            if (error.SocketErrorCode == SocketError.WouldBlock)
                _socket.Poll(TimeSpan.FromMilliseconds(1), SelectMode.SelectWrite);
        }
    }

    private void Note(SocketException error)
        => _isRefused |= !_isServer
            && error.SocketErrorCode is SocketError.ConnectionRefused or SocketError.ConnectionReset;

    // Nothing listens there. Once a connection stands this may be forged, or pass, and its timers decide.
    private void DropRefused()
    {
        if (!_isRefused)
            return;
        _isRefused = false;
        foreach (var connection in _connections.Where(one => !one.IsReady).ToArray())
            Drop(connection, new QuicLostException("nothing listens there"));
    }

    private static void SetAddress(SocketAddress address, ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(address.Buffer.Span);
        address.Size = bytes.Length;
    }
}
