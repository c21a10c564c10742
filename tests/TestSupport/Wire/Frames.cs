using System.Buffers.Binary;
using System.Text;

namespace TestSupport.Wire;

/// <summary>Builds AMQP 0-9-1 frames by hand, right ones and wrong ones.</summary>
internal static class Frames
{
    public static byte[] Frame(byte type, ushort channel, params byte[] payload)
    {
        byte[] frame = new byte[payload.Length + 8];
        frame[0] = type;
        BinaryPrimitives.WriteUInt16BigEndian(frame.AsSpan(1), channel);
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(3), (uint)payload.Length);
        payload.CopyTo(frame, 7);
        frame[^1] = 0xCE;
        return frame;
    }

    public static byte[] Heartbeat() => Frame(8, 0);

    public static byte[] Method(ushort classId, ushort methodId, params byte[][] arguments) =>
        Frame(1, 1, [.. Short(classId), .. Short(methodId), .. arguments.SelectMany(a => a)]);

    public static byte[] Deliver() => Method(60, 60, Str("ctag"), Long(7), [0], Str("exchange"), Str("routing.key"));

    public static byte[] Header(ulong bodySize, ushort flags, params byte[][] properties) =>
        Frame(2, 1, [.. Short(60), .. Short(0), .. Long(bodySize), .. Short(flags), .. properties.SelectMany(p => p)]);

    public static byte[] HeaderWithTable(byte[] table) => Header(0, 0x2000, table);

    /// <summary>All fourteen properties.</summary>
    public static byte[] FullHeader(ulong bodySize) => Header(
        bodySize, 0xFFFC, Str("text/plain"), Str("utf-8"), Table(Entry("every", Every())), [2], [9], Str("correlation"),
        Str("reply"),
        Str("60000"), Str("id"), Long(1_700_000_000), Str("type"), Str("guest"), Str("app"), Str(""));

    public static byte[] Body(int size) => Frame(3, 1, [.. Enumerable.Range(0, size).Select(i => (byte)i)]);

    public static byte[] Start() => Method(
        10, 10, [0, 9], Table(
            Entry("product", [(byte)'S', .. LongStr("RabbitMQ")]),
            Entry("capabilities", [(byte)'F', .. Table(Entry("confirms", (byte)'t', 1))])),
        LongStr("PLAIN AMQPLAIN"), LongStr("en_US"));

    /// <summary>One value of every type, in an array.</summary>
    public static byte[] Every() =>
    [
        (byte)'A', .. LongBytes(
        [
            (byte)'S', .. LongStr("long"), (byte)'x', .. LongStr("bytes"), (byte)'t', 1, (byte)'B', 1, (byte)'b', 1,
            (byte)'s', 0, 1,
            (byte)'u', 0, 1, (byte)'I', 0, 0, 0, 1, (byte)'i', 0, 0, 0, 1, (byte)'f', 0, 0, 0, 0, (byte)'l', .. Long(1),
            (byte)'d', .. Long(0),
            (byte)'T', .. Long(1), (byte)'V', (byte)'D', 28, 0, 0, 0, 1, (byte)'F', .. Table(), (byte)'A', 0, 0, 0, 0,
        ]),
    ];

    /// <summary>A table in which tables (or arrays) stand one inside the other, this many levels with itself.</summary>
    public static byte[] Nested(int depth, bool arrays)
    {
        byte[] inner = LongBytes([]);
        for (int i = 1; i < depth; i++)
            inner = arrays && i < depth - 1 ? LongBytes([(byte)'A', .. inner]) : LongBytes(
                [.. Str("k"), (byte)(arrays ? 'A' : 'F'), .. inner]);
        return inner;
    }

    /// <summary>What a broker sends from the first byte to a few deliveries.</summary>
    public static byte[] Conversation() =>
    [
        .. Start(), .. Method(10, 30, Short(2047), Int(131072), Short(60)), .. Method(10, 41, Str("")),
        .. Method(20, 11, Int(0)),
        .. Method(85, 11), .. Method(50, 11, Str("queue"), Int(1), Int(2)), .. Method(60, 21, Str("ctag")),
        .. Heartbeat(),
        .. Deliver(), .. FullHeader(300), .. Body(200), .. Body(100), .. Deliver(), .. Header(0, 0),
        .. Method(60, 80, Long(3), [1]),
        .. Method(60, 120, Long(4), [0]), .. Method(60, 50, Short(312), Str("NO_ROUTE"), Str(""), Str("nowhere")),
        .. FullHeader(1), .. Body(1),
        .. Method(60, 71, Long(1), [0], Str("x"), Str("k"), Int(0)), .. Header(5, 0x1000, [2]), .. Body(5),
        .. Method(10, 60, Str("low on memory")),
        .. Method(10, 61), .. Method(60, 30, Str("ctag"), [0]),
        .. Method(20, 40, Short(404), Str("NOT_FOUND"), Short(60), Short(40)),
        .. Method(10, 50, Short(320), Str("CONNECTION_FORCED"), Short(0), Short(0)),
    ];

    public static byte[] Table(params byte[][] entries) => LongBytes([.. entries.SelectMany(e => e)]);

    public static byte[] Entry(string key, params byte[] value) => [.. Str(key), .. value];

    public static byte[] Str(string text) => [(byte)text.Length, .. Encoding.ASCII.GetBytes(text)];

    public static byte[] LongStr(string text) => LongBytes(Encoding.ASCII.GetBytes(text));

    public static byte[] LongBytes(byte[] bytes) => [.. Int((uint)bytes.Length), .. bytes];

    public static byte[] Short(ushort value) => [(byte)(value >> 8), (byte)value];

    public static byte[] Int(uint value) => [.. Short((ushort)(value >> 16)), .. Short((ushort)value)];

    public static byte[] Long(ulong value) => [.. Int((uint)(value >> 32)), .. Int((uint)value)];
}
