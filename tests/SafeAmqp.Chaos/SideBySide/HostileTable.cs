using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using RabbitMQ.Client;

namespace SafeAmqp.Chaos.SideBySide;

/// <summary>
/// F5: the peer's first frame holds a table in a table in a table. Each client meets it in a process of its own, which
/// a stack overflow ends.
/// </summary>
internal static class HostileTable
{
    internal const string Argument = "meet-a-hostile-table";

    private const int Depth = 100_000;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    internal static Comparison Comparison { get; } = new(
        "F5", $"connection.start with tables nested {Depth} deep", () => MeetAsync("raw"), () => MeetAsync("safe"));

    /// <summary>What the other process does. Ends with 0 when the client got away with an exception.</summary>
    internal static async Task<int> MeetAsync(string client, int port)
    {
        try
        {
            if (client == "raw")
            {
                await Bench.Factory(port, connect: TimeSpan.FromSeconds(5)).CreateConnectionAsync();
            }
            else
            {
                AmqpClientOptions options = Bench.Options(port);
                (options.ConnectTimeout, options.FirstConnect) = (TimeSpan.FromSeconds(5), AmqpFirstConnect.FailFast);
                await AmqpClient.ConnectAsync(options);
            }
        }
        catch (Exception error)
        {
            string cause = error.InnerException?.Message ?? error.Message;
            Console.WriteLine($"{error.GetType().Name}: {(cause.Length > 110 ? cause[..110] + "…" : cause)}");
            return 0;
        }
        return 2;
    }

    private static async Task<Column> MeetAsync(string client)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        _ = ServeAsync(listener);
        string port = ((IPEndPoint)listener.LocalEndpoint).Port
            .ToString(System.Globalization.CultureInfo.InvariantCulture);
        Isolated.Ended ended = await Isolated.RunAsync([Argument, client, port], Patience);
        return ended.ExitCode == 0 ? new Column(ended.Output.Trim(), Held: true) : new Column(
            ended.Describe(), Held: false);
    }

    private static async Task ServeAsync(TcpListener listener)
    {
        try
        {
            while (true)
            {
                using Socket socket = await listener.AcceptSocketAsync();
                byte[] greeting = new byte[8];
                int read = 0;
                while (read < greeting.Length
                    && await socket.ReceiveAsync(greeting.AsMemory(read)) is > 0 and var count)
                    read += count;
                await socket.SendAsync(Start());
                while (await socket.ReceiveAsync(greeting) > 0)
                    ; // until the client has had enough
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException or OperationCanceledException)
        {
            // The end of the comparison, or of the client.
        }
    }

    private static byte[] Start()
    {
        const int Level = 7; // a name of one letter, the type, the length of the table within
        int table = Level * Depth;
        var payload = new MemoryStream();
        payload.Write([0, 10, 0, 10, 0, 9]); // connection.start, version 0-9
        Span<byte> length = stackalloc byte[4];
        for (int left = table; ; left -= Level)
        {
            BinaryPrimitives.WriteInt32BigEndian(length, left);
            payload.Write(length);
            if (left == 0)
                break;
            payload.Write([1, (byte)'t', (byte)'F']);
        }
        payload.Write([0, 0, 0, 5, .. "PLAIN"u8, 0, 0, 0, 5, .. "en_US"u8]);
        byte[] frame = new byte[7 + payload.Length + 1];
        frame[0] = 1;
        BinaryPrimitives.WriteInt32BigEndian(frame.AsSpan(3), (int)payload.Length);
        payload.ToArray().CopyTo(frame, 7);
        frame[^1] = 0xCE;
        return frame;
    }
}
