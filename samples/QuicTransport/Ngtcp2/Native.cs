using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace QuicTransports.Ngtcp2;

/// <summary>
/// What is used of libngtcp2 0.12, its helper for GnuTLS, and GnuTLS itself. Names and layouts are those of their
/// headers on 64-bit systems; another version has another file name and is not loaded.
/// </summary>
internal static unsafe partial class Native
{
    public const int ErrStreamBlocked = -210, ErrCrypto = -215, ErrStreamShut = -221, ErrStreamNotFound = -222;
    public const int ErrVersionReceived = -229, ErrDraining = -231, ErrRetry = -241, ErrDrop = -242, ErrVersion = -245;
    public const int ErrHandshakeTimeout = -246, ErrIdle = -248, ErrCallback = -502;
    public const int GnuTlsCertificateError = -43;
    public const int ResetTokenLength = 16, RetryTokenLength = 256;

    private const string Ng = "ngtcp2", Crypto = "ngtcp2_crypto_gnutls", Tls = "gnutls";
    private static readonly nint CryptoLibrary = Load("libngtcp2_crypto_gnutls.so.2");
    private static readonly nint NgLibrary = Load("libngtcp2.so.9");
    private static readonly nint TlsLibrary = Load("libgnutls.so.30");

    static Native() => NativeLibrary.SetDllImportResolver(typeof(Native).Assembly, static (name, _, _) => name switch
    {
        Ng => NgLibrary,
        Crypto => CryptoLibrary,
        Tls => TlsLibrary,
        _ => 0,
    });

    /// <summary>Whether all three are there, on a system whose layouts are known.</summary>
    public static bool IsAvailable => NgLibrary != 0 && CryptoLibrary != 0 && TlsLibrary != 0 && sizeof(nint) == 8
        && OperatingSystem.IsLinux();

    private static nint Load(string file) => NativeLibrary.TryLoad(file, out nint handle) ? handle : 0;

    /// <summary>A callback that the helper for GnuTLS brings along.</summary>
    public static void* Export(string name) => (void*)NativeLibrary.GetExport(CryptoLibrary, name);

    public static string TextOf(int code) => Marshal.PtrToStringUTF8((nint)ngtcp2_strerror(code)) ?? "";

    public static void Check(int code, string what)
    {
        if (code < 0)
            throw new InvalidOperationException($"{what} failed: {code} {TextOf(code)}");
    }

    [InlineArray(20)]
    public struct CidBytes
    {
        private byte _first;
    }

    [InlineArray(16)]
    public struct Bytes16
    {
        private byte _first;
    }

    [InlineArray(28)]
    public struct Bytes28
    {
        private byte _first;
    }

    [InlineArray(128)]
    public struct AddressBytes
    {
        private byte _first;
    }

    public struct Cid
    {
        public nuint Length;
        public CidBytes Data;

        public static Cid Random(int length)
        {
            Cid cid = new() { Length = (nuint)length };
            RandomNumberGenerator.Fill(((Span<byte>)cid.Data)[..length]);
            return cid;
        }

        public static UInt128 KeyOf(byte* data, nuint length)
        {
            UInt128 key = 0;
            new ReadOnlySpan<byte>(data, (int)nuint.Min(length, 16)).CopyTo(new Span<byte>(&key, 16));
            return key;
        }

        public static UInt128 KeyOf(Cid* cid) => KeyOf((byte*)&cid->Data, cid->Length);
    }

    public struct Vec
    {
        public byte* Base;
        public nuint Length;
    }

    public struct Address
    {
        public byte* Bytes;
        public uint Length;
    }

    public struct Path
    {
        public Address Local, Remote;
        public void* UserData;
    }

    [StructLayout(LayoutKind.Sequential, Size = 8)]
    public struct PacketInfo
    {
        public uint Ecn;
    }

    public struct PacketHeader
    {
        public Cid Dcid, Scid;
        public long Number;
        public Vec Token;
        public nuint NumberLength, Length;
        public uint Version;
        public byte Type, Flags;
    }

    public struct VersionCid
    {
        public uint Version;
        public byte* Dcid;
        public nuint DcidLength;
        public byte* Scid;
        public nuint ScidLength;
    }

    public struct Settings
    {
        public Cid QlogOriginalDcid;
        public void* QlogWrite;
        public int CongestionControl;
        public ulong InitialTimestamp, InitialRtt;
        public void* LogPrintf;
        public nuint MaxUdpPayload;
        public Vec Token;
        public void* RandContext;
        public ulong MaxWindow, MaxStreamWindow;
        public nuint AckThreshold;
        public int NoPayloadShaping;
        public ulong HandshakeTimeout;
        public uint* PreferredVersions;
        public nuint PreferredVersionsLength;
        public uint* OtherVersions;
        public nuint OtherVersionsLength;
        public uint OriginalVersion;
        public int NoPathMtuDiscovery;
    }

    public struct PreferredAddress
    {
        public Cid Cid;
        public Bytes16 V4;
        public Bytes28 V6;
        public byte V4Present, V6Present;
        public Bytes16 ResetToken;
    }

    public struct TransportParameters
    {
        public PreferredAddress Preferred;
        public Cid OriginalDcid, InitialScid, RetryScid;
        public ulong MaxStreamDataBidiLocal, MaxStreamDataBidiRemote, MaxStreamDataUni, MaxData, MaxStreamsBidi,
            MaxStreamsUni;
        public ulong MaxIdleTimeout, MaxUdpPayload, ActiveConnectionIdLimit, AckDelayExponent, MaxAckDelay,
            MaxDatagramFrame;
        public byte ResetTokenPresent, DisableActiveMigration, RetryScidPresent, PreferredPresent;
        public Bytes16 ResetToken;
        public byte GreaseQuicBit;
        public uint ChosenVersion;
        public byte* OtherVersions;
        public nuint OtherVersionsLength;
        public byte VersionInfoPresent;
    }

    /// <summary>In the order of ngtcp2_callbacks, version 1.</summary>
    public struct Callbacks
    {
        public void* ClientInitial, RecvClientInitial, RecvCryptoData, HandshakeCompleted, RecvVersionNegotiation;
        public void* Encrypt, Decrypt, HpMask, RecvStreamData, AckedStreamDataOffset, StreamOpen, StreamClose;
        public void* RecvStatelessReset, RecvRetry, ExtendMaxLocalStreamsBidi, ExtendMaxLocalStreamsUni, Rand;
        public void* GetNewConnectionId, RemoveConnectionId, UpdateKey, PathValidation, SelectPreferredAddress;
        public void* StreamReset, ExtendMaxRemoteStreamsBidi, ExtendMaxRemoteStreamsUni, ExtendMaxStreamData,
            DcidStatus;
        public void* HandshakeConfirmed, RecvNewToken, DeleteCryptoAeadContext, DeleteCryptoCipherContext, RecvDatagram;
        public void* AckDatagram, LostDatagram, GetPathChallengeData, StreamStopSending, VersionNegotiation, RecvRxKey;
        public void* RecvTxKey, EarlyDataRejected;
    }

    public struct CloseError
    {
        public int Type;
        public ulong Code, FrameType;
        public byte* Reason;
        public nuint ReasonLength;
    }

    /// <summary>What GnuTLS's callbacks come with: from it the helper finds the connection.</summary>
    public struct ConnectionRef
    {
        public delegate* unmanaged[Cdecl]<ConnectionRef*, void*> GetConnection;
        public void* UserData;
    }

    public struct Datum
    {
        public byte* Data;
        public uint Size;
    }

    [LibraryImport(Ng)]
    public static partial void ngtcp2_settings_default_versioned(int version, Settings* settings);
    [LibraryImport(Ng)]
    public static partial void ngtcp2_transport_params_default_versioned(int version, TransportParameters* parameters);
    [LibraryImport(Ng)]
    public static partial int ngtcp2_pkt_decode_version_cid(VersionCid* cid, byte* data, nuint length,
        nuint shortDcidLength);
    [LibraryImport(Ng)]
    public static partial nint ngtcp2_pkt_write_version_negotiation(
        byte* to, nuint room, byte random, byte* dcid, nuint dcidLength, byte* scid, nuint scidLength, uint* versions,
            nuint count);
    [LibraryImport(Ng)]
    public static partial nint ngtcp2_pkt_write_stateless_reset(byte* to, nuint room, byte* token, byte* random,
        nuint randomLength);
    [LibraryImport(Ng)]
    public static partial int ngtcp2_accept(PacketHeader* header, byte* packet, nuint length);
    [LibraryImport(Ng)]
    public static partial int ngtcp2_conn_server_new_versioned(
        void** connection, Cid* dcid, Cid* scid, Path* path, uint version, int callbacksVersion, Callbacks* callbacks,
        int settingsVersion, Settings* settings, int parametersVersion, TransportParameters* parameters, void* memory,
            void* user);
    [LibraryImport(Ng)]
    public static partial int ngtcp2_conn_client_new_versioned(
        void** connection, Cid* dcid, Cid* scid, Path* path, uint version, int callbacksVersion, Callbacks* callbacks,
        int settingsVersion, Settings* settings, int parametersVersion, TransportParameters* parameters, void* memory,
            void* user);
    [LibraryImport(Ng)]
    public static partial void ngtcp2_conn_del(void* connection);
    [LibraryImport(Ng)]
    public static partial void ngtcp2_conn_set_tls_native_handle(void* connection, void* session);
    [LibraryImport(Ng)]
    public static partial void ngtcp2_conn_set_keep_alive_timeout(void* connection, ulong nanoseconds);
    [LibraryImport(Ng)]
    public static partial int ngtcp2_conn_read_pkt_versioned(
        void* connection, Path* path, int infoVersion, PacketInfo* info, byte* packet, nuint length, ulong now);
    [LibraryImport(Ng)]
    public static partial nint ngtcp2_conn_writev_stream_versioned(
        void* connection, Path* path, int infoVersion, PacketInfo* info, byte* to, nuint room, nint* taken, uint flags,
            long stream,
        Vec* data, nuint count, ulong now);
    [LibraryImport(Ng)]
    public static partial void ngtcp2_conn_update_pkt_tx_time(void* connection, ulong now);
    [LibraryImport(Ng)]
    public static partial ulong ngtcp2_conn_get_expiry(void* connection);
    [LibraryImport(Ng)]
    public static partial int ngtcp2_conn_handle_expiry(void* connection, ulong now);
    [LibraryImport(Ng)]
    public static partial int ngtcp2_conn_open_bidi_stream(void* connection, long* stream, void* user);
    [LibraryImport(Ng)]
    public static partial int ngtcp2_conn_extend_max_stream_offset(void* connection, long stream, ulong length);
    [LibraryImport(Ng)]
    public static partial void ngtcp2_conn_extend_max_offset(void* connection, ulong length);
    [LibraryImport(Ng)]
    public static partial byte ngtcp2_conn_get_tls_alert(void* connection);
    [LibraryImport(Ng)]
    public static partial nint ngtcp2_conn_write_connection_close_versioned(
        void* connection, Path* path, int infoVersion, PacketInfo* info, byte* to, nuint room, CloseError* error,
            ulong now);
    [LibraryImport(Ng)]
    public static partial void ngtcp2_conn_get_connection_close_error(void* connection, CloseError* error);
    [LibraryImport(Ng)]
    public static partial void ngtcp2_connection_close_error_default(CloseError* error);
    [LibraryImport(Ng)]
    public static partial void ngtcp2_connection_close_error_set_application_error(
        CloseError* error, ulong code, byte* reason, nuint length);
    [LibraryImport(Ng)]
    public static partial void ngtcp2_connection_close_error_set_transport_error_liberr(
        CloseError* error, int code, byte* reason, nuint length);
    [LibraryImport(Ng)]
    public static partial void ngtcp2_connection_close_error_set_transport_error_tls_alert(
        CloseError* error, byte alert, byte* reason, nuint length);
    [LibraryImport(Ng)]
    public static partial byte* ngtcp2_strerror(int code);

    [LibraryImport(Crypto)]
    public static partial int ngtcp2_crypto_gnutls_configure_server_session(void* session);
    [LibraryImport(Crypto)]
    public static partial int ngtcp2_crypto_gnutls_configure_client_session(void* session);
    [LibraryImport(Crypto)]
    public static partial int ngtcp2_crypto_generate_stateless_reset_token(byte* token, byte* secret, nuint length,
        Cid* cid);
    [LibraryImport(Crypto)]
    public static partial nint ngtcp2_crypto_generate_retry_token(
        byte* token, byte* secret, nuint length, uint version, byte* remote, uint remoteLength, Cid* retryScid,
            Cid* originalDcid,
        ulong now);
    [LibraryImport(Crypto)]
    public static partial int ngtcp2_crypto_verify_retry_token(
        Cid* originalDcid, byte* token, nuint tokenLength, byte* secret, nuint length, uint version, byte* remote,
        uint remoteLength, Cid* dcid, ulong timeout, ulong now);
    [LibraryImport(Crypto)]
    public static partial nint ngtcp2_crypto_write_retry(
        byte* to, nuint room, uint version, Cid* dcid, Cid* scid, Cid* originalDcid, byte* token, nuint tokenLength);
    [LibraryImport(Crypto)]
    public static partial nint ngtcp2_crypto_write_connection_close(
        byte* to, nuint room, uint version, Cid* dcid, Cid* scid, ulong code, byte* reason, nuint length);

    [LibraryImport(Tls)]
    public static partial int gnutls_init(void** session, uint flags);
    [LibraryImport(Tls)]
    public static partial void gnutls_deinit(void* session);
    [LibraryImport(Tls, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int gnutls_priority_set_direct(void* session, string priorities, void* position);
    [LibraryImport(Tls)]
    public static partial void gnutls_session_set_ptr(void* session, void* pointer);
    [LibraryImport(Tls)]
    public static partial void* gnutls_session_get_ptr(void* session);
    [LibraryImport(Tls)]
    public static partial void gnutls_session_set_verify_function(void* session, delegate* unmanaged[Cdecl]<void*,
        int> verify);
    [LibraryImport(Tls)]
    public static partial Datum* gnutls_certificate_get_peers(void* session, uint* count);
    [LibraryImport(Tls)]
    public static partial int gnutls_certificate_allocate_credentials(void** credentials);
    [LibraryImport(Tls)]
    public static partial void gnutls_certificate_free_credentials(void* credentials);
    [LibraryImport(Tls)]
    public static partial int gnutls_certificate_set_x509_key_mem(void* credentials, Datum* certificate, Datum* key,
        int format);
    [LibraryImport(Tls)]
    public static partial int gnutls_credentials_set(void* session, int type, void* credentials);
    [LibraryImport(Tls)]
    public static partial int gnutls_alpn_set_protocols(void* session, Datum* protocols, uint count, uint flags);
    [LibraryImport(Tls)]
    public static partial int gnutls_alpn_get_selected_protocol(void* session, Datum* protocol);
    [LibraryImport(Tls)]
    public static partial int gnutls_server_name_set(void* session, int type, byte* name, nuint length);
}
