using System.Buffers.Binary;
using System.Net.Sockets;
using System.Text;

namespace LocalBroker;

/// <summary>
/// The first steps of an AMQP 0-9-1 connection (specification, sections 2.2.4 and 4.2.3), spoken by hand: a port that
/// accepts TCP proves nothing, a broker that sends connection.start does.
/// </summary>
internal static class AmqpHandshake
{
    private const ushort ConnectionClass = 10;
    private const ushort Start = 10;
    private const ushort StartOk = 11;
    private const ushort Tune = 30;
    private const byte MethodFrame = 1;
    private const byte FrameEnd = 0xCE;
    private const int LongestFrame = 128 * 1024;

    private static readonly byte[] ProtocolHeader = [.. "AMQP"u8, 0, 0, 9, 1];

    // A short string, and that its value is a long one.
    private static ReadOnlySpan<byte> VersionKey => "\aversionS"u8;

    /// <summary>Whether the broker answers (and, with <paramref name="logIn"/>, accepts the user).</summary>
    public static async Task<BrokerAnswer> AskAsync(
        Uri uri, bool logIn, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(timeout);
        try
        {
            return await SpeakAsync(uri, logIn, limit.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new($"no answer within {timeout.TotalSeconds:0.#} s");
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            return new(e.Message);
        }
    }

    /// <summary>The port of the URI, or the one its scheme stands for.</summary>
    public static int PortOf(Uri uri) => uri.Port > 0 ? uri.Port : IsTls(uri) ? 5671 : 5672;

    private static bool IsTls(Uri uri) => uri.Scheme.Equals("amqps", StringComparison.OrdinalIgnoreCase);

    private static async Task<BrokerAnswer> SpeakAsync(Uri uri, bool logIn, CancellationToken cancellationToken)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(uri.DnsSafeHost, PortOf(uri), cancellationToken);
        // Which certificates count is for the connection's own settings to say, so TLS is not tried here.
        if (IsTls(uri)) return new(Failure: null);

        var stream = client.GetStream();
        await stream.WriteAsync(ProtocolHeader, cancellationToken);
        var (method, arguments) = await ReadMethodAsync(stream, cancellationToken);
        if (method != Start) return new("what listens there does not speak AMQP 0-9-1");
        var version = VersionIn(arguments);
        if (!logIn) return new(null, version);

        await stream.WriteAsync(StartOkFrame(uri), cancellationToken);
        bool isTuned = await IsTunedAsync(stream, cancellationToken);
        return new(isTuned ? null : "the broker refuses this user and password", version);
    }

    // RabbitMQ refuses by dropping the connection (after 3 seconds), which may arrive as its end or as a reset.
    private static async Task<bool> IsTunedAsync(NetworkStream stream, CancellationToken cancellationToken)
    {
        try
        {
            return (await ReadMethodAsync(stream, cancellationToken)).Method == Tune;
        }
        catch (IOException)
        {
            return false;
        }
    }

    /// <summary>The method of class connection in the next frame; null for anything else, the end included.</summary>
    private static async Task<(ushort? Method, ReadOnlyMemory<byte> Arguments)> ReadMethodAsync(
        NetworkStream stream, CancellationToken cancellationToken)
    {
        byte[] header = new byte[7];
        if (!await FillAsync(header)) return default;

        uint size = BinaryPrimitives.ReadUInt32BigEndian(header.AsSpan(3));
        if (header[0] != MethodFrame || size is < 4 or > LongestFrame) return default;

        byte[] payload = new byte[size + 1];
        if (!await FillAsync(payload)) return default;

        return BinaryPrimitives.ReadUInt16BigEndian(payload) == ConnectionClass && payload[^1] == FrameEnd
            ? (BinaryPrimitives.ReadUInt16BigEndian(payload.AsSpan(2)), payload.AsMemory(4..^1))
            : default;

        async Task<bool> FillAsync(byte[] buffer) =>
            await stream.ReadAtLeastAsync(buffer, buffer.Length, false, cancellationToken) == buffer.Length;
    }

    /// <summary>
    /// The version among the server properties of connection.start, without what follows a dash; null when it has none.
    /// </summary>
    private static Version? VersionIn(ReadOnlyMemory<byte> arguments)
    {
        int key = arguments.Span.IndexOf(VersionKey);
        if (key < 0) return null;

        var value = arguments.Span[(key + VersionKey.Length)..];
        if (!BinaryPrimitives.TryReadUInt32BigEndian(value, out uint length) || length > value.Length - 4) return null;

        string text = Encoding.UTF8.GetString(value.Slice(4, (int)length));
        return Version.TryParse(text.Split('-', '+')[0], out var version) ? version : null;
    }

    private static byte[] StartOkFrame(Uri uri)
    {
        string[] parts = uri.UserInfo.Split(':', 2);
        string user = parts[0].Length > 0 ? Uri.UnescapeDataString(parts[0]) : "guest";
        string password = parts.Length > 1 ? Uri.UnescapeDataString(parts[1]) : "guest";
        byte[] response = Encoding.UTF8.GetBytes($"\0{user}\0{password}");
        byte[] payload =
        [
            .. Short(ConnectionClass), .. Short(StartOk),
            .. Long(0), // client properties: an empty table
            5, .. "PLAIN"u8, .. Long(response.Length), .. response,
            5, .. "en_US"u8,
        ];
        return [MethodFrame, .. Short(0), .. Long(payload.Length), .. payload, FrameEnd];
    }

    private static byte[] Short(ushort value) => [(byte)(value >> 8), (byte)value];

    private static byte[] Long(int value)
        => [(byte)(value >> 24), (byte)(value >> 16), (byte)(value >> 8), (byte)value];
}

/// <summary>What a broker answered.</summary>
/// <param name="Failure">Why it cannot be used; null when it can.</param>
/// <param name="Version">The version of RabbitMQ; null when it was not told.</param>
internal readonly record struct BrokerAnswer(string? Failure, Version? Version = null);
