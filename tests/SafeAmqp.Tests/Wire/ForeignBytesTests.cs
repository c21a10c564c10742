using SafeAmqp.Wire;

namespace SafeAmqp.Tests.Wire;

/// <summary>
/// Header tables as pika 1.2 and py-amqp 5.1, which Celery and Kombu use, write and read them: what only goes round
/// within this library proves nothing. Each table has one entry, <c>h</c>.
/// </summary>
public sealed class ForeignBytesTests
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 29, 12, 0, 0, TimeSpan.Zero);

    public static TheoryData<string, object?> Written => new()
    {
        { "0000000801684401fffffff1", -1.5m },
        { "000000080168440080000000", -2147483648m },
        { "0000000801684402ffffffff", -0.01m },
        { "000000080168440200003039", 123.45m },
        { "00000008016844007fffffff", 2147483647m },
        { "000000080168441c80000000", -0.0000000000000000002147483648m },
        { "000000080168441e00000001", 1e-30 }, // a scale that no decimal has
        { "00000008016844fffffffff1", -15e-255 },
        { "00000007016849ffffffff", -1 },
        { "0000000701684900000000", 0 },
        { "0000000701684900007530", 30000 },
        { "00000007016849ffff8000", -32768 },
        { "0000000b01684c0000000080000000", 2147483648L }, // py-amqp
        { "0000000b01684cffffffff7fffffff", -2147483649L },
        { "0000000b01684c7fffffffffffffff", long.MaxValue },
        { "0000000b01684c8000000000000000", long.MinValue },
        { "0000000b01686c0000000080000000", 2147483648L }, // pika
        { "0000000b01686c8000000000000000", long.MinValue },
        { "0000000b016864c002000000000000", -2.25 },
        { "0000000401687401", true },
        { "00000003016856", null },
        { "0000000a01687800000003ff0061", new byte[] { 0xFF, 0, 0x61 } },
        { "0000000a01685300000003ff0061", new byte[] { 0xFF, 0, 0x61 } },
        { "0000000a01687800000003616263", "abc"u8.ToArray() },
        { "0000000c01685300000005c3a4e282ac", "ä€" },
        { "0000000b016854000000006b0c13c0", Noon },
        {
            "000000260168410000001f490000000149fffffffb5300000001785641000000094c0000010000000000",
            new List<object?> { 1, -5, "x", null, new List<object?> { 1L << 40 } }
        },
        {
            "000000160168460000000f0161460000000801624402fffffd2b",
            new Dictionary<string, object?> { ["a"] = new Dictionary<string, object?> { ["b"] = -7.25m } }
        },
    };

    [Theory]
    [MemberData(nameof(Written), DisableDiscoveryEnumeration = true)]
    public void What_they_write_is_read_as_they_mean_it(string table, object? value)
    {
        object? read = new FieldReader(new FieldReader(Convert.FromHexString(table)).LongBytes()).Entries()["h"];
        if (value is double expected)
            Assert.Equal(expected, Assert.IsType<double>(read), Math.Abs(expected) * 1e-12);
        else
            Assert.Equal(value, read);
    }

    [Theory]
    [MemberData(nameof(Written), DisableDiscoveryEnumeration = true)]
    public void What_they_write_is_passed_on_octet_by_octet(string table, object? value)
    {
        _ = value;
        byte[] properties = [0x20, 0, .. Convert.FromHexString(table)];
        var added = new Dictionary<string, object?> { ["n"] = true };
        var to = new FrameBuffer();
        RawContent.Write(
            to, properties, new PassedOn(added, new HashSet<string>(), new HashSet<AmqpProperty>()), slot: -1);
        Assert.Equal(
            $"2000{Convert.ToInt32(table[..8], 16) + 4:x8}016e7401{table[8..]}",
            Convert.ToHexStringLower(to.Written.Span));
    }

    public static TheoryData<object?, string> Read => new()
    {
        { -1.5m, "0000000801684401fffffff1" },
        { -2147483648m, "000000080168440080000000" },
        { -0.01m, "0000000801684402ffffffff" },
        { 123.45m, "000000080168440200003039" },
        { 2147483647m, "00000008016844007fffffff" },
        { (byte)200, "00000007016849000000c8" }, // they take 8 bits for the opposite sign,
        { (sbyte)-5, "00000007016849fffffffb" },
        { (short)-32768, "00000007016849ffff8000" }, // py-amqp 16 bits for a string,
        { (short)5, "0000000701684900000005" },
        { -5L, "00000007016849fffffffb" }, // and 64 bits for a number without a sign
        { ushort.MaxValue, "00000005016875ffff" },
        { uint.MaxValue, "00000007016869ffffffff" },
        { -1, "00000007016849ffffffff" },
        { 2147483648L, "0000000b01686c0000000080000000" },
        { long.MinValue, "0000000b01686c8000000000000000" },
        { -2.25, "0000000b016864c002000000000000" },
        { true, "0000000401687401" },
        { null, "00000003016856" },
        { "abc"u8.ToArray(), "0000000a01687800000003616263" },
        { "ä€", "0000000c01685300000005c3a4e282ac" },
        { Noon, "0000000b016854000000006b0c13c0" },
        {
            new Dictionary<string, object?> { ["a"] = new Dictionary<string, object?> { ["b"] = -7.25m } },
            "000000160168460000000f0161460000000801624402fffffd2b"
        },
    };

    [Theory]
    [MemberData(nameof(Read), DisableDiscoveryEnumeration = true)]
    public void What_is_written_they_read_as_it_is_meant(object? value, string table)
    {
        var buffer = new FrameBuffer();
        FieldTable.Write(buffer, new Dictionary<string, object?> { ["h"] = value }, slot: -1);
        Assert.Equal(table, Convert.ToHexStringLower(buffer.Written.Span));
    }
}
