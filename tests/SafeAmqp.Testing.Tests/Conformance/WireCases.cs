using System.Text;
using static TestSupport.Wire.RawClient;

namespace SafeAmqp.Testing.Tests.Conformance;

/// <summary>
/// What no client library would send: frames out of order, fields that end too early, methods that do not exist.
/// </summary>
internal static class WireCases
{
    private static readonly byte[] Properties = [0, 0];

    /// <summary>Has an answer on every broker; it ends what is read, where the channel lives on.</summary>
    private static readonly byte[] Question = Method(
        1, 50, 10, [0, 0, .. ShortText("amq.rabbitmq.reply-to"), 1, 0, 0, 0, 0]);

    public static IEnumerable<Case> All =>
    [
        Wire("a body without a method", Frame(3, 1, [1])),
        Wire("a header without a method", Header(1, 1)),
        Wire("a method in the middle of a publish", PublishMethod(1, "", "k"), Method(1, 20, 20, [1])),
        Wire("a body in place of a header", PublishMethod(1, "", "k"), Frame(3, 1, [1])),
        Wire("a second header in place of a body", PublishMethod(1, "", "k"), Header(1, 5), Header(1, 5)),
        Wire("a method in place of a body", PublishMethod(1, "", "k"), Header(1, 5), Method(1, 20, 20, [1])),
        Wire("a header of another class", PublishMethod(1, "", "k"), Header(1, 5, classId: 50)),
        Wire("a wrong end octet", Frame(1, 1, [0, 20, 0, 20, 1], end: 0)),
        Wire("a frame above the limit", [1, 0, 1, .. FourOctets(200_000)]),
        Wire("an unknown frame type", Frame(9, 1, [1, 2, 3])),
        One("a heartbeat on a channel", Frame(8, 1, [])),
        Wire("a heartbeat with a payload", Frame(8, 0, [1])),
        One("an unknown frame type on the connection", Frame(4, 0, [])),
        One("a heartbeat with a payload on a channel", Frame(8, 1, [1, 2])),
        One("a method on a channel that is not open", Method(7, 60, 70, [0, 0, .. ShortText("q"), 0])),
        Wire("channel.open twice", Method(1, 20, 10, [0])),
        Wire("channel.flow off", Method(1, 20, 20, [0])),
        Wire("channel.flow on", Method(1, 20, 20, [1])),
        Wire("immediate", PublishMethod(1, "", "k", 2), Header(1, 0)),
        Wire("basic.recover", Method(1, 60, 110, [1])),
        Wire("basic.recover without requeue", Method(1, 60, 110, [0])),
        One("a channel number above the limit", Method(2048, 20, 10, [0])),
        One("a connection method on a channel", Method(1, 10, 40, [.. ShortText("/"), 0, 0])),
        One("a channel method on the connection", Method(0, 20, 10, [0])),
        One("a body on the connection", Frame(3, 0, [1])),
        Wire("too few fields", Method(1, 60, 70, [0, 0, 9, 1])),
        Wire("an expiration and a time in properties", PublishMethod(1, "", "k", 1), Header(
            1, 0, [0x01, 0x40, 2, (byte)'5', (byte)'0', 0, 0, 0, 0, 0, 0, 0, 1])),
        Wire("prefetch for all octets", Method(1, 60, 10, [0, 0, 0, 1, 0, 0, 0])),
        Wire("connection.close", Method(0, 10, 50, [0, 200, .. ShortText("bye"), 0, 0, 0, 0])),
        One("channel.close", Method(1, 20, 40, [0, 200, .. ShortText("bye"), 0, 0, 0, 0])),
        Wire("an empty body in frames", [.. PublishMethod(1, "amq.direct", "nowhere", 1), .. Header(1, 0, Properties)]),
        Wire("a body in single octets", [.. PublishMethod(1, "amq.direct", "nowhere", 1), .. Header(1, 3, Properties),
            .. Frame(3, 1, [1]), .. Frame(3, 1, [2]), .. Frame(3, 1, [3])]),
        Wire("confirm.select twice", Method(1, 85, 10, [0]), Method(1, 85, 10, [0])),
        Wire("tx.select on a channel with confirms", Method(1, 85, 10, [0]), Method(1, 90, 10, [])),
        Wire("tx.commit", Method(1, 90, 20, [])),
        Start("another protocol", "HTTP/1.1"u8.ToArray()) with { TellsVersions = true },
        Start("another version", [.. "AMQP"u8, 0, 1, 0, 0]) with { TellsVersions = true },
        .. new[] { 4000, 4096 - 8, 4096, 4097, 8192, 100_000 }.Select(size =>
            Login($"properties that make the frame {size} octets", size)),
        Login("an unknown mechanism", "NONSENSE", "x"),
        Login("a malformed PLAIN response", "PLAIN", "x"),
        Login("AMQPLAIN", "AMQPLAIN", Encoding.Latin1.GetString([.. ShortText("LOGIN"), (byte)'S', .. LongText("guest"),
            .. ShortText("PASSWORD"), (byte)'S', .. LongText("guest")])),
        Login("AMQPLAIN without a password", "AMQPLAIN", Encoding.Latin1.GetString(
            [.. ShortText("LOGIN"), (byte)'S', .. LongText("guest")])),
    ];

    private static Case Wire(string name, params byte[][] frames) => Wire(name, [.. frames, Question], int.MaxValue);

    /// <summary>Without the question behind it: what happens on other channels has no order with channel 1.</summary>
    private static Case One(string name, params byte[][] frames) => Wire(name, frames, 1);

    private static Case Wire(string name, byte[][] frames, int answers) => new($"wire: {name}", async s =>
    {
        using RawClient client = await OpenAsync(s.Uri);
        foreach (byte[] frame in frames)
            await client.SendAsync(frame);
        for (int i = 0; i < Math.Min(answers, 8); i++)
        {
            string answer = await client.NextAsync();
            s.Note(answer);
            if (answer is "end" or "method 50.11 on 1" or "method 10.51 on 0"
                || answer.StartsWith("close channel", StringComparison.Ordinal)
                || answer.StartsWith("close connection", StringComparison.Ordinal))
                break;
        }
    });

    private static Case Start(string name, byte[] header) => new($"wire: {name}", async s =>
    {
        using RawClient client = await ConnectAsync(s.Uri);
        await client.SendAsync(header);
        s.Note(Convert.ToHexString(await client.RestAsync()));
    });

    /// <summary>Before the largest frame is agreed upon, it is a small one.</summary>
    private static Case Login(string name, int frame) => new($"wire: login with {name}", async s =>
    {
        using RawClient client = await ConnectAsync(s.Uri);
        await client.SendAsync("AMQP\0\0\u0009\u0001"u8.ToArray());
        await client.NextAsync();
        byte[] rest = [.. ShortText("PLAIN"), .. LongText("\0guest\0guest"), .. ShortText("en_US")];
        // Method, size of the table, one entry: name, type, size.
        int filling = frame - rest.Length - 4 - 4 - 2 - 1 - 4;
        byte[] table = [.. ShortText("x"), (byte)'S', .. LongText(new string('x', filling))];
        await client.SendAsync(Method(0, 10, 11, [.. FourOctets(table.Length), .. table, .. rest]));
        s.Note(await client.NextAsync());
    });

    private static Case Login(string name, string mechanism, string response)
        => new($"wire: login with {name}", async s =>
    {
        using RawClient client = await ConnectAsync(s.Uri);
        await client.SendAsync("AMQP\0\0\u0009\u0001"u8.ToArray());
        await client.NextAsync();
        s.Note(await client.CallAsync(0, 10, 11, [0, 0, 0, 0, .. ShortText(mechanism), .. FourOctets(response.Length),
            .. Encoding.Latin1.GetBytes(response), .. ShortText("en_US")]));
    });
}
