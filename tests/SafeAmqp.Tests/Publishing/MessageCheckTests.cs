using SafeAmqp.Publishing;

namespace SafeAmqp.Tests.Publishing;

public sealed class MessageCheckTests
{
    private static readonly string Long = new('ä', 128); // 256 bytes
    private static readonly AmqpMessage Good = new();

    public static TheoryData<string, AmqpMessage> Bad => new()
    {
        { "Exchange", Good with { Exchange = Long } },
        { "Exchange", Good with { Exchange = null! } },
        { "RoutingKey", Good with { RoutingKey = new string('k', 256) } },
        { "RoutingKey", Good with { RoutingKey = null! } },
        { "ContentType", Good with { ContentType = Long } },
        { "Exchange", Good with { Exchange = "a\0b" } },
        { "RoutingKey", Good with { RoutingKey = "\0" } },
        { "MessageId", Good with { MessageId = new string('m', 200) + "\0" } },
        { "Headers['a\0']", Good with { Headers = new Dictionary<string, object?> { ["a\0"] = 1 } } },
        { "ContentEncoding", Good with { ContentEncoding = Long } },
        { "CorrelationId", Good with { CorrelationId = Long } },
        { "ReplyTo", Good with { ReplyTo = Long } },
        { "MessageId", Good with { MessageId = Long } },
        { "Type", Good with { Type = Long } },
        { "UserId", Good with { UserId = Long } },
        { "AppId", Good with { AppId = Long } },
        { "Expiration", Good with { Expiration = TimeSpan.FromMilliseconds(-1) } },
        { "Expiration", Good with { Expiration = TimeSpan.FromMilliseconds(uint.MaxValue + 1.0) } },
        { "Headers", Header(new string('x', 120_000)) },
        { "Headers", Header(new byte[120_000]) },
        { "Headers", Header(Enumerable.Range(0, 20_000).ToList()) },
        { "ReplyTo", Good with { ReplyTo = "amq.rabbitmq.reply-to" } },
        { "Headers", Copy("CC", "audit") },
        { "Headers", Copy("CC", null) },
        { "Headers", Copy("BCC", "audit"u8.ToArray()) },
        { "Headers", Copy("BCC", new List<object?> { "audit", "audit"u8.ToArray() }) },
        { "Headers", Copy("CC", new[] { 1 }) },
        { "Headers['h']", Header(new object()) },
        { "Headers['h']", Header('c') },
        { "Headers['h']", Header(DateTime.UnixEpoch) },
        { "Headers['h']", Header(default(DateTimeOffset)) },
        { "Headers['h']", Header(new List<object?> { DateTimeOffset.UnixEpoch.AddTicks(-1) }) },
        { "Headers['h']", Header(double.NaN) },
        { "Headers['h']", Header(float.NegativeInfinity) },
        { "Headers['h']", Header(new Dictionary<string, object?> { ["k"] = double.PositiveInfinity }) },
        { "Timestamp", Good with { Timestamp = DateTimeOffset.UnixEpoch.AddSeconds(-1) } },
        { "Headers['h']", Header(Guid.Empty) },
        { "Headers['h']", Header(new List<object?> { new Uri("http://x") }) },
        { "Headers['h']", Header(new Dictionary<int, string> { [1] = "x" }) },
        { "Headers['h']", Header(new Dictionary<string, object?> { [new string('k', 256)] = 1 }) },
        { "Headers['h']", Header(Nested(9)) },
        { "Headers['h']", Header(Endless()) },
        { $"Headers['{new string('k', 256)}']", Good with
        {
            Headers = new Dictionary<string, object?> { [new string('k', 256)] = 1 }
        } },
    };

    private static AmqpMessage Copy(string header, object? to)
        => Good with { Headers = new Dictionary<string, object?> { [header] = to } };

    [Fact]
    public void Further_routing_keys_are_a_list_and_a_reply_address_that_the_broker_made_may_be_passed_on()
    {
        MessageCheck.Validate(Copy("CC", new List<object?> { "audit" }), 1000);
        MessageCheck.Validate(Copy("BCC", new[] { "audit", "" }), 1000);
        MessageCheck.Validate(Copy("cc", "audit"), 1000); // no header of the broker's
        MessageCheck.Validate(Good with { ReplyTo = "amq.rabbitmq.reply-to.g1h2" }, 1000);
        MessageCheck.ValidateRequest(Good with { ReplyTo = "amq.rabbitmq.reply-to" }, 1000); // the caller's replaces it
    }

    [Theory]
    [MemberData(nameof(Bad), DisableDiscoveryEnumeration = true)]
    public void What_the_broker_would_answer_with_a_closed_channel_is_refused_by_name(string name, AmqpMessage message)
    {
        var error = Assert.ThrowsAny<ArgumentException>(() => MessageCheck.Validate(message, 1000));
        Assert.Equal(name, error.ParamName);
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_body_is_bounded_to_the_byte()
    {
        MessageCheck.Validate(Good with { Body = new byte[1000] }, 1000);
        var error = Assert.Throws<ArgumentException>(
            () => MessageCheck.Validate(Good with { Body = new byte[1001] }, 1000));
        Assert.Contains("1001", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentNullException>(() => MessageCheck.Validate(null!, 1000));
    }

    [Fact]
    public void Everything_at_its_bound_is_accepted()
    {
        string longest = new string('ä', 127) + "x"; // 255 bytes
        MessageCheck.Validate(new AmqpMessage
        {
            Exchange = longest,
            RoutingKey = longest,
            ContentType = longest,
            ContentEncoding = longest,
            CorrelationId = longest,
            ReplyTo = longest,
            MessageId = longest,
            Type = longest,
            UserId = longest,
            AppId = longest,
            Expiration = TimeSpan.FromMilliseconds(uint.MaxValue),
            Headers = new Dictionary<string, object?> { [longest] = Nested(8), ["s"] = new string('x', 100_000) },
        }, 0);
    }

    private static AmqpMessage Header(object? value)
        => Good with { Headers = new Dictionary<string, object?> { ["h"] = value } };

    private static object Nested(int depth)
    {
        object value = 1;
        for (int i = 1; i < depth; i++)
            value = i % 2 == 0 ? new List<object?> { value } : new Dictionary<string, object?> { ["x"] = value };
        return value;
    }

    private static List<object?> Endless()
    {
        var list = new List<object?>();
        list.Add(list);
        return list;
    }
}
