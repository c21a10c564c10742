using System.Buffers;
using System.IO.Pipelines;
using System.Runtime.InteropServices;
using static QuicTransports.Ngtcp2.Native;

namespace QuicTransports.Ngtcp2;

/// <summary>
/// A connection with its one stream. Only the endpoint's thread touches ngtcp2; readers and writers meet it at a pipe
/// and a list.
/// </summary>
internal sealed unsafe partial class Connection
{
    // The peer's credit. What it has sent and was not read yet is in memory, so this bounds a connection's memory.
    private const int Window = 1 << 20, CreditStep = Window / 4;
    private const string Priorities =
        "%DISABLE_TLS13_COMPAT_MODE:NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM"
        + ":+AES-256-GCM:+CHACHA20-POLY1305:-GROUP-ALL:+GROUP-SECP256R1:+GROUP-X25519:+GROUP-SECP384R1";

    private readonly Endpoint _endpoint;
    private readonly bool _isServer;
    private readonly TimeSpan _stall;
    private readonly GCHandle _self;
    private readonly ConnectionRef* _ref;
    private readonly ulong _opened = Endpoint.Now;
    private readonly Pipe _pipe = new(new PipeOptions(
        pauseWriterThreshold: 0, resumeWriterThreshold: 0, minimumSegmentSize: 16 << 10,
            useSynchronizationContext: false));
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _dropped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _peerFinished = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly LinkedList<Send> _sends = new();
    private LinkedListNode<Send>? _sending;
    private TaskCompletionSource<bool>? _probe;
    private ulong _keepAlive, _end, _lastProgress;
    private int _at, _credit;
    private bool _finish, _hasFinished, _isVerified;
    private string? _problem;
    private void* _session;

    public Connection(Endpoint endpoint, bool isServer, TimeSpan stall)
    {
        (_endpoint, _isServer, _stall) = (endpoint, isServer, stall);
        _self = GCHandle.Alloc(this);
        _ref = (ConnectionRef*)NativeMemory.AllocZeroed((nuint)sizeof(ConnectionRef));
        _ref->GetConnection = &Callbacks.GetConnection;
        _ref->UserData = (void*)GCHandle.ToIntPtr(_self);
    }

    // Memory that ngtcp2 reads until the peer has acknowledged it.
    private sealed record Send(MemoryHandle Pin, int Length, ulong End, TaskCompletionSource Done);

    public void* Handle { get; private set; }

    public HashSet<UInt128> Cids { get; } = [];

    public string Peer { get; set; } = "";

    public long Stream { get; private set; } = -1;

    public bool IsDropped => _dropped.Task.IsCompleted;

    public bool IsReady => _ready.Task.IsCompletedSuccessfully;

    /// <summary>Ends when the stream is there; with the reason, when it does not come to be.</summary>
    public Task Ready => _ready.Task;

    /// <summary>A client's look at the server's certificates; what is wrong with them, or null.</summary>
    public Func<CertificateChain, string?>? Verify { get; init; }

    public static Connection Of(void* user) => (Connection)GCHandle.FromIntPtr((nint)user).Target!;

    public static Connection OfSession(void* session)
        => Of(((ConnectionRef*)gnutls_session_get_ptr(session))->UserData);

    /// <summary>
    /// Makes ngtcp2's connection and its TLS session; whether that succeeded. If not, the connection is dropped.
    /// </summary>
    public bool TryOpen(
        Native.Path* path, PacketHeader* first, Cid* beforeRetry, Cid* own, QuicOptions settings, void* credentials)
    {
        try
        {
            Open(path, first, beforeRetry, own, settings, credentials);
            return true;
        }
        catch (InvalidOperationException error)
        {
            Drop(new QuicLostException(error.Message));
            return false;
        }
    }

    private void Open(Native.Path* path, PacketHeader* first, Cid* beforeRetry, Cid* own, QuicOptions settings,
        void* credentials)
    {
        Settings options;
        ngtcp2_settings_default_versioned(1, &options);
        options.InitialTimestamp = Endpoint.Now;
        options.CongestionControl = 1; // cubic
        options.HandshakeTimeout = (ulong)settings.ConnectTimeout.TotalNanoseconds;
        TransportParameters parameters;
        ngtcp2_transport_params_default_versioned(1, &parameters);
        parameters.MaxData = parameters.MaxStreamDataBidiLocal = parameters.MaxStreamDataBidiRemote = Window;
        parameters.MaxStreamsBidi = _isServer ? 1u : 0u;
        parameters.MaxIdleTimeout = (ulong)settings.IdleTimeout.TotalNanoseconds;
        parameters.ActiveConnectionIdLimit = 4;
        if (_isServer)
        {
            parameters.OriginalDcid = beforeRetry is null ? first->Dcid : *beforeRetry;
            parameters.RetryScidPresent = beforeRetry is null ? (byte)0 : (byte)1;
            parameters.RetryScid = first->Dcid;
            options.Token = first->Token;
            parameters.ResetTokenPresent = 1;
            _endpoint.ResetToken((byte*)&parameters.ResetToken, own);
        }
        OpenSession(settings, credentials);
        void* handle;
        if (_isServer)
        {
            Check(ngtcp2_conn_server_new_versioned(&handle, &first->Scid, own, path, first->Version, 1,
                Callbacks.OfServer, 1,
                &options, 1, &parameters, null, _ref->UserData), "a connection");
        }
        else
        {
            var server = Cid.Random((int)own->Length);
            Check(ngtcp2_conn_client_new_versioned(&handle, &server, own, path, first->Version, 1, Callbacks.OfClient,
                1,
                &options, 1, &parameters, null, _ref->UserData), "a connection");
        }
        Handle = handle;
        ngtcp2_conn_set_tls_native_handle(handle, _session);
        _keepAlive = (ulong)settings.KeepAlive.TotalNanoseconds;
        ngtcp2_conn_set_keep_alive_timeout(handle, _keepAlive);
    }

    private void OpenSession(QuicOptions settings, void* credentials)
    {
        void* session;
        Check(gnutls_init(&session, _isServer ? 1u : 2u), "a TLS session");
        _session = session;
        Check(gnutls_priority_set_direct(session, Priorities, null), "the choice of ciphers");
        Check(_isServer ? ngtcp2_crypto_gnutls_configure_server_session(session)
            : ngtcp2_crypto_gnutls_configure_client_session(session), "TLS for QUIC");
        gnutls_session_set_ptr(session, _ref);
        Check(gnutls_credentials_set(session, 1, credentials), "the certificate");
        fixed (byte* alpn = QuicOptions.Alpn.Span, host = System.Text.Encoding.ASCII.GetBytes(settings.Host))
        {
            var protocol = new Datum { Data = alpn, Size = (uint)QuicOptions.Alpn.Length };
            Check(gnutls_alpn_set_protocols(session, &protocol, 1, 1), "ALPN"); // mandatory
            if (_isServer)
                return;
            gnutls_session_set_verify_function(session, &Callbacks.VerifyCertificate);
            if (!System.Net.IPAddress.TryParse(settings.Host, out _))
                Check(gnutls_server_name_set(session, 1, host, (nuint)settings.Host.Length), "the server's name");
        }
    }

    /// <summary>GnuTLS has the server's certificates; whether they are good.</summary>
    public bool IsTrusted()
    {
        uint count;
        var certificates = gnutls_certificate_get_peers(_session, &count);
        List<byte[]> chain = [];
        for (uint i = 0; i < count; i++)
            chain.Add(new ReadOnlySpan<byte>(certificates[i].Data, (int)certificates[i].Size).ToArray());
        _problem = Verify?.Invoke(new CertificateChain(chain));
        return _isVerified = _problem is null;
    }

    /// <summary>The handshake is complete; whether it says what it must.</summary>
    public bool IsHandshakeGood()
    {
        Datum protocol;
        if (gnutls_alpn_get_selected_protocol(_session, &protocol) != 0)
            _problem = "the peer did not choose the protocol fl (ALPN)";
        else if (!_isServer && !_isVerified)
            _problem = "the server showed no certificate";
        return _problem is null;
    }

    /// <summary>A client may open its stream, or a server's peer has opened one.</summary>
    public void StreamOpened(long stream)
    {
        if (Stream >= 0)
            return;
        Stream = stream;
        if (_isServer)
            _endpoint.Accept(this);
        _ready.TrySetResult();
    }

    public void Received(ReadOnlySpan<byte> data, bool isLast)
    {
        _pipe.Writer.Write(data);
        if (isLast)
        {
            _peerFinished.TrySetResult();
            _pipe.Writer.Complete();
        }
        else
        {
            // Complete at once: the pipe has no threshold, the window is the bound.
            _pipe.Writer.FlushAsync().AsTask().GetAwaiter().GetResult();
        }
    }

    public void Acknowledged(ulong end)
    {
        _lastProgress = Endpoint.Now;
        while (_sends.First is { } first && first != _sending && first.Value.End <= end)
        {
            _sends.RemoveFirst();
            first.Value.Pin.Dispose();
            first.Value.Done.TrySetResult();
        }
    }

    public void Heard()
    {
        _probe?.TrySetResult(true);
        _probe = null;
    }

    public void Registered(Cid* cid, byte* token)
    {
        _endpoint.ResetToken(token, cid);
        _endpoint.Register(this, cid);
    }

    public void Unregistered(Cid* cid) => _endpoint.Unregister(this, cid);

    public void Failed(Exception error) => _problem ??= error.Message;

    /// <summary>What goes next, and whether it is the end; false when nothing waits.</summary>
    public bool TryNext(out Vec data, out bool isLast)
    {
        (data, isLast) = (default, false);
        if (Stream < 0)
            return false;
        if (_sending is not { } node)
            return isLast = _finish && !_hasFinished;
        data = new Vec { Base = (byte*)node.Value.Pin.Pointer + _at, Length = (nuint)(node.Value.Length - _at) };
        return true;
    }

    public void Taken(nint count, bool isLast)
    {
        _hasFinished |= isLast;
        if (_sending is null)
            return;
        _at += (int)count;
        if (_at == _sending.Value.Length)
            (_sending, _at) = (_sending.Next, 0);
    }

    /// <summary>What the peer has left undone for too long; null for nothing.</summary>
    public string? FindNeglect(TimeSpan connectTimeout)
    {
        if (_isServer && Stream < 0 && IsLongerAgo(_opened, connectTimeout))
            return "the client opened no stream";
        return _sends.Count > 0 && IsLongerAgo(_lastProgress, _stall)
            ? string.Create(null, $"the peer read nothing for {_stall.TotalSeconds} s")
            : null;
    }

    public QuicLostException Explain(int code)
    {
        CloseError error;
        ngtcp2_conn_get_connection_close_error(Handle, &error);
        bool isTls = error.Code is >= 0x100 and < 0x200;
        string? told = error.Reason is null ? null
            : System.Text.Encoding.UTF8.GetString(error.Reason, (int)error.ReasonLength);
        return code switch
        {
            ErrDraining when error is { Type: 1, Code: 0 }
                => new QuicLostException("the peer closed the connection") { IsOrderly = true },
            ErrDraining when isTls
                => new QuicLostException($"the peer refused: TLS alert {error.Code & 0xff} {told}".TrimEnd()),
            ErrDraining when error.Code != 0
                => new QuicLostException($"the peer closed with error {error.Code} {told}".TrimEnd()),
            ErrDraining => new QuicLostException("the peer knows nothing of the connection any more"),
            ErrIdle => new QuicLostException("nothing was heard from the peer any more"),
            ErrHandshakeTimeout => new QuicLostException("the peer did not answer in time"),
            ErrVersionReceived => new QuicLostException("the server speaks other versions of QUIC"),
            _ when _problem is not null => new QuicLostException(_problem) { IsFinal = !_isServer },
            ErrCrypto => new QuicLostException($"TLS alert {ngtcp2_conn_get_tls_alert(Handle)}"),
            _ => new QuicLostException(TextOf(code)),
        };
    }

    /// <summary>On the endpoint's thread: the end. Null: this side wants it so.</summary>
    public void Drop(QuicLostException? reason)
    {
        if (IsDropped)
            return;
        if (Handle is not null)
            ngtcp2_conn_del(Handle);
        if (_session is not null)
            gnutls_deinit(_session);
        Handle = _session = null;
        _self.Free();
        NativeMemory.Free(_ref);
        var lost = reason ?? new QuicLostException("the connection was closed");
        foreach (var send in _sends)
        {
            send.Pin.Dispose();
            send.Done.TrySetException(lost);
        }
        _sends.Clear();
        _sending = null;
        Closed = lost;
        _dropped.TrySetResult();
        _ready.TrySetException(lost);
        _ = _ready.Task.Exception;
        _probe?.TrySetResult(false);
        _pipe.Writer.Complete(lost.IsOrderly ? null : lost);
    }

    private QuicLostException? Closed { get; set; }

    private void Enqueue(ReadOnlyMemory<byte> bytes, TaskCompletionSource done)
    {
        if (Closed is { } lost)
        {
            done.TrySetException(lost);
            return;
        }
        if (_sends.Count == 0)
            _lastProgress = Endpoint.Now;
        _end += (ulong)bytes.Length;
        var node = _sends.AddLast(new Send(bytes.Pin(), bytes.Length, _end, done));
        _sending ??= node;
        _endpoint.WantsToWrite(this);
    }

    private void GiveCredit(int read)
    {
        _credit += read;
        if (_credit < CreditStep)
            return;
        ulong credit = (ulong)_credit;
        _credit = 0;
        _endpoint.Post(() =>
        {
            if (IsDropped)
                return;
            Check(ngtcp2_conn_extend_max_stream_offset(Handle, Stream, credit), "credit");
            ngtcp2_conn_extend_max_offset(Handle, credit);
            _endpoint.WantsToWrite(this);
        });
    }

    private void Probe(TaskCompletionSource<bool>? heard, ulong interval)
    {
        _probe?.TrySetResult(false);
        _probe = heard;
        if (IsDropped)
            heard?.TrySetResult(false);
        else
            ngtcp2_conn_set_keep_alive_timeout(Handle, interval);
    }

    private static bool IsLongerAgo(ulong since, TimeSpan time) => Endpoint.Now - since > (ulong)time.TotalNanoseconds;
}
