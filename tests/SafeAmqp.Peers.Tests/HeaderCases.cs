namespace SafeAmqp.Peers.Tests;

/// <summary>
/// Headers of every type, as we send them and as peers do; and what peers make of a type that they read wrongly.
/// </summary>
internal static class HeaderCases
{
    private static readonly string[] InPython = [Peer.Pika, Peer.Kombu];
    private static readonly string[] InJavaScript = [Peer.Amqplib, Peer.RabbitMqClient];

    /// <summary>What we send, by the name of its header.</summary>
    public static readonly IReadOnlyDictionary<string, object?> Ours = new Dictionary<string, object?>
    {
        ["text"] = "größe 漢字 🐇",
        ["no text"] = "",
        ["long text"] = new string('x', 70_000),
        ["true"] = true,
        ["false"] = false,
        ["byte"] = (byte)200,
        ["sbyte"] = (sbyte)-7,
        ["short"] = (short)-300,
        ["ushort"] = ushort.MaxValue,
        ["int"] = int.MinValue,
        ["uint"] = uint.MaxValue,
        ["long"] = 9_007_199_254_740_991,
        ["negative long"] = -9_007_199_254_740_991,
        ["most"] = long.MaxValue,
        ["least"] = long.MinValue,
        ["float"] = 2.5f,
        ["double"] = -0.1,
        ["decimal"] = 12.50m,
        ["negative decimal"] = -12.50m,
        ["small decimal"] = 0.0000000001m,
        ["whole decimal"] = 2_147_483_647m,
        ["least decimal"] = -2_147_483_648m,
        ["smallest decimal"] = new decimal(1, 0, 0, isNegative: true, 28),
        ["no decimal"] = 0.00m,
        ["smallest double"] = double.Epsilon,
        ["epoch"] = DateTimeOffset.UnixEpoch,
        ["last time"] = DateTimeOffset.MaxValue,
        ["far time"] = DateTimeOffset.FromUnixTimeSeconds(250_000_000_000),
        ["time"] = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000),
        ["null"] = null,
        ["bytes"] = new byte[] { 0, 255, 128 },
        ["list"] = new List<object?> { 1, "two", null, new List<object?> { true } },
        ["no list"] = new List<object?>(),
        ["table"] = new Dictionary<string, object?>
        {
            ["a"] = 1,
            ["b"] = new Dictionary<string, object?> { ["c"] = "d" }
        },
        ["no table"] = new Dictionary<string, object?>(),
        ["bytes in a table"] = new Dictionary<string, object?>
        {
            ["bytes"] = new byte[] { 0x74, 0xFF },
            ["text"] = "t",
            ["list"] = new List<object?> { new byte[] { 0xC3 }, ulong.MaxValue >> 1, null },
        },
    };

    /// <summary>What peers send, by the name of its header.</summary>
    private static readonly IReadOnlyDictionary<string, object?> Theirs = new Dictionary<string, object?>
    {
        ["text"] = "größe 漢字 🐇",
        ["no text"] = "",
        // amqplib writes no more than 64 KiB of headers.
        ["long text"] = new string('x', 40_000),
        ["true"] = true,
        ["false"] = false,
        ["zero"] = 0,
        ["small"] = -7,
        ["short"] = -300,
        ["int"] = int.MinValue + 1,
        ["uint"] = uint.MaxValue,
        ["double"] = 0.1,
        ["large double"] = 1e300,
        ["decimal"] = 12.5m,
        ["negative decimal"] = -1.5m,
        ["small decimal"] = 0.0000000001m,
        ["far time"] = DateTimeOffset.FromUnixTimeSeconds(250_000_000_000),
        ["time"] = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000),
        ["epoch"] = DateTimeOffset.UnixEpoch,
        ["null"] = null,
        ["bytes"] = new byte[] { 0, 255, 128 },
        ["list"] = new List<object?> { 1, "two", null, new List<object?> { true } },
        ["no list"] = new List<object?>(),
        ["table"] = new Dictionary<string, object?>
        {
            ["a"] = 1,
            ["b"] = new Dictionary<string, object?> { ["c"] = "d" }
        },
        ["no table"] = new Dictionary<string, object?>(),
    };

    /// <summary>Where peers read a type otherwise than RabbitMQ does. null: it cannot be read at all.</summary>
    private static readonly (string[] Peers, string Header, object? Seen)[] ReadWrongly =
    [
        // Type l is taken for a number without a sign.
        (InPython, "negative long", ulong.MaxValue - 9_007_199_254_740_990),
        (InPython, "least", 1UL << 63),
        // Numbers of floating point are cut to whole ones.
        ([Peer.Pika], "float", 2),
        ([Peer.Pika], "double", 0),
        ([Peer.Pika], "smallest double", 0),
        // Every number is one of floating point.
        (InJavaScript, "most", 1UL << 63),
        // All that is of type S is text.
        (InJavaScript, "bytes", "\0\uFFFD\uFFFD"),
        // There is no type for these.
        ([Peer.RabbitMqClient], "time", 1_700_000_000),
        ([Peer.RabbitMqClient], "far time", 250_000_000_000),
        ([Peer.RabbitMqClient], "negative decimal",
            new Dictionary<string, object?> { ["scale"] = 2, ["value"] = uint.MaxValue - 1249 }),
        ([Peer.RabbitMqClient], "small decimal",
            new Dictionary<string, object?> { ["scale"] = 10, ["value"] = 1 }),
        ([Peer.RabbitMqClient], "decimal", new Dictionary<string, object?> { ["scale"] = 2, ["value"] = 1250 }),
    ];

    /// <summary>What a peer makes of what we send.</summary>
    public static Dictionary<string, Typed> SeenBy(string peer) => Ours.ToDictionary(
        header => header.Key,
        header => Array.Find(
            ReadWrongly, wrong => wrong.Header == header.Key && wrong.Peers.Contains(peer)) is { Peers: not null } wrong
            ? Typed.Of(wrong.Seen)
            : Typed.Of(header.Value));

    /// <summary>Headers that a peer can write.</summary>
    public static Dictionary<string, Typed> From(string peer) => Theirs
        .Where(header => peer switch
        {
            Peer.Pika => header.Value is not double,
            Peer.RabbitMqClient => header.Value is not (byte[] or decimal or DateTimeOffset),
            _ => true,
        })
        .ToDictionary(header => header.Key, header => Typed.Of(header.Value));

    public static Dictionary<string, Typed> Seen(AmqpMessage message) =>
        (message.Headers ?? new Dictionary<string, object?>()).ToDictionary(
            header => header.Key, header => Typed.Of(header.Value));
}
