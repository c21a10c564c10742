using System.Reflection;
using RabbitMQ.Client;
using SafeAmqp.Broker;
using SafeAmqp.Tests.Wire;
using SafeAmqp.Wire;

namespace SafeAmqp.Tests.Broker;

/// <summary>Through our encoder and decoder, and through RabbitMQ.Client's, which most peers use.</summary>
public sealed class MessagePropertiesTests
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 20, 12, 0, 0, TimeSpan.Zero);

    private delegate int Write(Span<byte> bytes);

    [Fact]
    public void Every_property_comes_back_as_it_went()
    {
        var message = new AmqpMessage
        {
            Exchange = "exchange",
            RoutingKey = "key",
            Body = "body"u8.ToArray(),
            Persistent = true,
            ContentType = "text/plain",
            ContentEncoding = "gzip",
            Priority = 5,
            CorrelationId = "correlation",
            ReplyTo = "replies",
            Expiration = TimeSpan.FromMilliseconds(1500.9),
            MessageId = "message",
            Timestamp = Noon,
            Type = "type",
            UserId = "user",
            AppId = "app",
        };
        AmqpMessage back = RoundTrip(message);
        foreach (PropertyInfo property in typeof(AmqpMessage).GetProperties()
            .Where(property => property.Name is not ("Body" or "Headers" or "Expiration")))
            Assert.Equal((property.Name, property.GetValue(message)), (property.Name, property.GetValue(back)));
        Assert.Equal(TimeSpan.FromMilliseconds(1500), back.Expiration);
        Assert.Equal(message.Body.ToArray(), back.Body.ToArray());
        Assert.Empty(back.Headers!);
    }

    [Fact]
    public void What_was_not_given_comes_back_as_not_given()
    {
        AmqpMessage back = RoundTrip(new AmqpMessage { Persistent = false });
        Assert.Equivalent(new AmqpMessage { Persistent = false, Headers = back.Headers, Body = back.Body }, back);
    }

    public static TheoryData<object?, object?> Values => new()
    {
        { null, null },
        { "text", "text" },
        { "", "" },
        { "ä€😀", "ä€😀" },
        { true, true },
        { false, false },
        { byte.MaxValue, (int)byte.MaxValue }, // with 32 bits, which all read alike
        { sbyte.MinValue, (int)sbyte.MinValue },
        { short.MinValue, (int)short.MinValue },
        { -5L, -5 },
        { ushort.MaxValue, ushort.MaxValue },
        { int.MinValue, int.MinValue },
        { uint.MaxValue, uint.MaxValue },
        { long.MinValue, long.MinValue },
        { (ulong)long.MaxValue, long.MaxValue },
        { 1.5f, 1.5f },
        { -2.25, -2.25 },
        { 123.45m, 123.45m },
        { -0.0001m, -0.0001m },
        { 2147483647m, 2147483647m },
        { Noon, Noon },
        { new byte[] { 0xFF, 0xFE }, new byte[] { 0xFF, 0xFE } },
        { "as text"u8.ToArray(), "as text"u8.ToArray() },
        { new List<object?> { 1, "two", null }, new List<object?> { 1, "two", null } },
        { new[] { 1, 2 }, new List<object?> { 1, 2 } },
        { new Dictionary<string, object?> { ["a"] = new List<object?> { Noon } }, new Dictionary<string, object?>
        {
            ["a"] = new List<object?> { Noon }
        } },
    };

    [Theory]
    [MemberData(nameof(Values), DisableDiscoveryEnumeration = true)]
    public void Every_type_of_header_that_is_accepted_can_be_sent_and_comes_back(object? value, object? expected)
    {
        var message = new AmqpMessage { Headers = new Dictionary<string, object?> { ["h"] = value } };
        SafeAmqp.MessageCheck.Validate(message, 1000);
        Assert.Equal(expected, RoundTrip(message).Headers!["h"]);
    }

    public static TheoryData<object> Unsendable => new()
    {
        ulong.MaxValue,
        1UL << 63,
        decimal.MaxValue,
        2147483648m,
        -4294967296m,
        0.00000000000000000000001m * 5_000_000_000m
    };

    [Theory]
    [MemberData(nameof(Unsendable), DisableDiscoveryEnumeration = true)]
    public void Numbers_that_cannot_be_sent_are_refused_before_they_cost_a_channel(object value)
    {
        foreach (object wrapped in new[]
        {
            value,
            new List<object?> { value },
            new Dictionary<string, object?> { ["x"] = value }
        })
        {
            var message = new AmqpMessage { Headers = new Dictionary<string, object?> { ["h"] = wrapped } };
            var error = Assert.ThrowsAny<ArgumentException>(() => SafeAmqp.MessageCheck.Validate(message, 1000));
            Assert.Contains("Headers['h']", error.Message, StringComparison.Ordinal);
            object? sent = null; // it cannot be encoded, or as another number
            Assert.True(
                Record.Exception(() => sent = RoundTrip(message).Headers!["h"]) is not null || !wrapped.Equals(sent));
        }
    }

    [Fact]
    public void The_slot_goes_with_a_mandatory_message_and_is_taken_off_again()
    {
        var message = new AmqpMessage
        {
            Headers = new Dictionary<string, object?> { ["mine"] = 1, [FieldTable.SlotHeader] = 3 }
        };
        var sent = PublishedFrames.Read(message, slot: 7);
        Assert.Equal(7, sent.Properties.Headers![FieldTable.SlotHeader]);
        Assert.Equal(["mine"], Decode(sent.Header).Headers!.Keys);
        Assert.Equal(7, ContentHeader.Slot(sent.Header));
    }

    [Theory]
    [InlineData("1000", 1000.0)]
    [InlineData("4294967295", 4294967295.0)]
    [InlineData("4294967296", null)]
    [InlineData("-1", null)]
    [InlineData("1e3", null)]
    [InlineData(" 5", null)]
    [InlineData("99999999999999999999999", null)]
    [InlineData("soon", null)]
    [InlineData("", null)]
    public void An_expiration_that_makes_no_sense_counts_as_not_given(string text, double? milliseconds)
        => Assert.Equal(
            milliseconds, Decode(Encode(new BasicProperties { Expiration = text })).Expiration?.TotalMilliseconds);

    [Theory]
    [InlineData(long.MaxValue)]
    [InlineData(long.MinValue)]
    [InlineData(253_402_300_800)]
    public void A_time_beyond_the_calendar_counts_as_not_given_and_as_a_number_in_a_header(long seconds)
    {
        var properties = new BasicProperties
        {
            Timestamp = new AmqpTimestamp(seconds),
            Headers = new Dictionary<string, object?> { ["when"] = new AmqpTimestamp(seconds) },
        };
        AmqpMessage message = Decode(Encode(properties));
        Assert.Null(message.Timestamp);
        Assert.Equal(seconds, message.Headers!["when"]);
    }

    [Fact]
    public void Bytes_that_are_no_text_stay_bytes_and_binary_values_too()
    {
        var properties = new BasicProperties
        {
            Headers = new Dictionary<string, object?>
            {
                ["bad"] = new byte[] { 0xC3, 0x28 },
                ["binary"] = new BinaryTableValue([1, 2]),
                ["cut"] = "ä"u8[..1].ToArray()
            },
        };
        var headers = Decode(Encode(properties)).Headers!;
        Assert.Equal([0xC3, 0x28], Assert.IsType<byte[]>(headers["bad"]));
        Assert.Equal([1, 2], Assert.IsType<byte[]>(headers["binary"]));
        Assert.Equal([0xC3], Assert.IsType<byte[]>(headers["cut"]));
    }

    private static AmqpMessage RoundTrip(AmqpMessage message)
    {
        var sent = PublishedFrames.Read(message, slot: -1);
        return Decode(sent.Header, sent.Exchange, sent.RoutingKey, sent.Body);
    }

    private static AmqpMessage Decode(
        byte[] properties, string exchange = "", string routingKey = "", byte[]? body = null)
    {
        AmqpMessage message = ContentHeader.Read(properties, exchange, routingKey, body ?? [], new RecentText(),
            out string? unreadable);
        Assert.Null(unreadable);
        return message;
    }

    private static byte[] Encode(BasicProperties properties)
    {
        MethodInfo write = typeof(BasicProperties)
            .GetMethods(BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.Public)
            .Single(method => method.Name.EndsWith("WriteTo", StringComparison.Ordinal));
        byte[] bytes = new byte[100_000];
        int length = write.CreateDelegate<Write>(properties)(bytes);
        return bytes[..length];
    }
}
