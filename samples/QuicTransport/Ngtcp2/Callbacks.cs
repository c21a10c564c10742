using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using static QuicTransports.Ngtcp2.Native;

namespace QuicTransports.Ngtcp2;

/// <summary>
/// Where ngtcp2 and GnuTLS call back, always on the endpoint's thread. No exception leaves: it becomes the connection's
/// end.
/// </summary>
internal static unsafe class Callbacks
{
    /// <summary>For connections of a server, and of a client. Never freed.</summary>
    public static readonly Native.Callbacks* OfServer = Make(isServer: true), OfClient = Make(isServer: false);

    private const uint LastOfStream = 1;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static void* GetConnection(ConnectionRef* reference) => Connection.Of(reference->UserData).Handle;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    public static int VerifyCertificate(void* session)
    {
        var connection = Connection.OfSession(session);
        try
        {
            return connection.IsTrusted() ? 0 : GnuTlsCertificateError;
        }
        catch (Exception error)
        {
            connection.Failed(error);
            return GnuTlsCertificateError;
        }
    }

    private static Native.Callbacks* Make(bool isServer)
    {
        var all = (Native.Callbacks*)NativeMemory.AllocZeroed((nuint)sizeof(Native.Callbacks));
        if (isServer)
        {
            all->RecvClientInitial = Export("ngtcp2_crypto_recv_client_initial_cb");
        }
        else
        {
            all->ClientInitial = Export("ngtcp2_crypto_client_initial_cb");
            all->RecvRetry = Export("ngtcp2_crypto_recv_retry_cb");
            // The stream is the client's: a server that is allowed streams of its own opens none.
            all->ExtendMaxLocalStreamsBidi = (delegate* unmanaged[Cdecl]<void*, ulong, void*, int>)&MayOpenStream;
        }
        all->RecvCryptoData = Export("ngtcp2_crypto_recv_crypto_data_cb");
        all->Encrypt = Export("ngtcp2_crypto_encrypt_cb");
        all->Decrypt = Export("ngtcp2_crypto_decrypt_cb");
        all->HpMask = Export("ngtcp2_crypto_hp_mask_cb");
        all->UpdateKey = Export("ngtcp2_crypto_update_key_cb");
        all->DeleteCryptoAeadContext = Export("ngtcp2_crypto_delete_crypto_aead_ctx_cb");
        all->DeleteCryptoCipherContext = Export("ngtcp2_crypto_delete_crypto_cipher_ctx_cb");
        all->GetPathChallengeData = Export("ngtcp2_crypto_get_path_challenge_data_cb");
        all->VersionNegotiation = Export("ngtcp2_crypto_version_negotiation_cb");
        all->Rand = (delegate* unmanaged[Cdecl]<byte*, nuint, void*, void>)&Random;
        all->GetNewConnectionId = (delegate* unmanaged[Cdecl]<void*, Cid*, byte*, nuint, void*, int>)&NewConnectionId;
        all->RemoveConnectionId = (delegate* unmanaged[Cdecl]<void*, Cid*, void*, int>)&RemoveConnectionId;
        all->RecvStreamData =
            (delegate* unmanaged[Cdecl]<void*, uint, long, ulong, byte*, nuint, void*, void*, int>)&StreamData;
        all->AckedStreamDataOffset =
            (delegate* unmanaged[Cdecl]<void*, long, ulong, ulong, void*, void*, int>)&Acknowledged;
        all->StreamOpen = (delegate* unmanaged[Cdecl]<void*, long, void*, int>)&StreamOpen;
        all->StreamReset = (delegate* unmanaged[Cdecl]<void*, long, ulong, ulong, void*, void*, int>)&StreamReset;
        all->HandshakeCompleted = (delegate* unmanaged[Cdecl]<void*, void*, int>)&HandshakeCompleted;
        return all;
    }

    private static int Run(void* user, Action<Connection> action)
    {
        var connection = Connection.Of(user);
        try
        {
            action(connection);
            return 0;
        }
        catch (Exception error)
        {
            connection.Failed(error);
            return ErrCallback;
        }
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static void Random(byte* to, nuint length, void* context)
        => RandomNumberGenerator.Fill(new Span<byte>(to, (int)length));

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int NewConnectionId(void* handle, Cid* cid, byte* token, nuint length, void* user)
        => Run(user, connection =>
    {
        *cid = Cid.Random((int)length);
        connection.Registered(cid, token);
    });

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int RemoveConnectionId(void* handle, Cid* cid, void* user)
        => Run(user, connection => connection.Unregistered(cid));

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int HandshakeCompleted(void* handle, void* user)
        => Connection.Of(user).IsHandshakeGood() ? 0 : ErrCallback;

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int MayOpenStream(void* handle, ulong max, void* user) => Run(user, connection =>
    {
        long stream;
        if (connection.Stream < 0 && ngtcp2_conn_open_bidi_stream(handle, &stream, null) == 0)
            connection.StreamOpened(stream);
    });

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int StreamOpen(void* handle, long stream, void* user)
        => Run(user, connection => connection.StreamOpened(stream));

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int StreamData(
        void* handle, uint flags, long stream, ulong offset, byte* data, nuint length, void* user, void* streamUser)
        => Run(user, connection =>
            connection.Received(new ReadOnlySpan<byte>(data, (int)length), (flags & LastOfStream) != 0));

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int Acknowledged(void* handle, long stream, ulong offset, ulong length, void* user, void* streamUser)
        => Run(user, connection => connection.Acknowledged(offset + length));

    // Half a message with an end to it is no message: the connection ends.
    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvCdecl)])]
    private static int StreamReset(void* handle, long stream, ulong size, ulong code, void* user, void* streamUser)
    {
        Connection.Of(user).Failed(new QuicLostException("the peer has given up its stream"));
        return ErrCallback;
    }
}
