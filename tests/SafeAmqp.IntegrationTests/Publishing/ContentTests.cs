using System.Security.Cryptography;

namespace SafeAmqp.IntegrationTests.Publishing;

/// <summary>What arrives is what was sent; what cannot be sent is refused before anything leaves.</summary>
public sealed class ContentTests(TestBroker broker) : FaultTest(broker)
{
    private const int FrameMax = 131_072;

    [Theory]
    [InlineData(AmqpConnectionLayout.Separate)]
    [InlineData(AmqpConnectionLayout.Shared)]
    public async Task Bodies_of_every_size_around_a_frame_arrive_byte_for_byte(AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(options => options.Layout = layout);
        string queue = await NewQueueAsync(amqp);
        int[] sizes = [0, 1, 2, 255, 256, 65_535, 65_536, 65_537, FrameMax - 9, FrameMax - 8, FrameMax - 7,
            2 * (FrameMax - 8), 2 * (FrameMax - 8) + 1, 1 << 20];
        byte[][] bodies = [.. sizes.Select(Random)];
        await Task.WhenAll(bodies.Select(
            body => amqp.PublishAsync(AmqpMessage.ToQueue(queue, body), Cancelled).AsTask()))
            .WaitAsync(Limit, Cancelled);
        IReadOnlyList<AmqpDelivery> received = await TakeAsync(amqp, queue, sizes.Length);
        for (int i = 0; i < sizes.Length; i++)
            Same(bodies[i], received[i].Body);
    }

    [Fact]
    [Trait("Broker", "3.10")]
    public async Task Bodies_up_to_the_largest_that_the_broker_takes_arrive_byte_for_byte()
    {
        // A node of its own: the broker keeps several copies for a while, and would block the tests that follow for
        // want of memory.
        const int Largest = 128 << 20;
        await using ControlledBroker node =
            await Broker.StartAnotherAsync(memoryMegabytes: 4096, maxMessageSize: Largest);
        AmqpClient amqp = await ConnectAsync(options =>
        {
            options.Uri = node.Uri.ToString();
            options.MaxMessageSize = Largest;
        });
        string queue = await NewQueueAsync(amqp);
        foreach (int size in (int[])[(64 << 20) - 1, (64 << 20) + 1, Largest])
        {
            byte[] body = Random(size);
            await amqp.PublishAsync(AmqpMessage.ToQueue(queue, body), Cancelled).AsTask().WaitAsync(Limit, Cancelled);
            Same(body, Assert.Single(await TakeAsync(amqp, queue, 1)).Body);
        }
        Assert.All(amqp.Status.Links, link => Assert.Equal(1, link.Epoch));
        await amqp.DisposeAsync();
    }

    [Fact]
    public async Task Bodies_arrive_whole_over_a_link_that_passes_one_byte_at_a_time()
    {
        FaultProxy proxy = NewProxy();
        proxy.ToBroker.OneByteAtATime = proxy.ToClient.OneByteAtATime = true;
        AmqpClient amqp = await ConnectAsync(options => options.Uri = proxy.Uri);
        string queue = await NewQueueAsync(amqp);
        byte[] body = Random(5000);
        await amqp.PublishAsync(AmqpMessage.ToQueue(queue, body), Cancelled).AsTask().WaitAsync(Limit, Cancelled);
        Same(body, Assert.Single(await TakeAsync(amqp, queue, 1)).Body);
    }

    [Fact]
    [Trait("Broker", "3.10")]
    public async Task Properties_and_headers_of_every_type_arrive_as_they_were_sent()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        var time = new DateTimeOffset(2026, 2, 3, 4, 5, 6, TimeSpan.Zero);
        var sent = AmqpMessage.ToQueue(queue, "body"u8.ToArray()) with
        {
            ContentType = "text/plain",
            ContentEncoding = "utf-8",
            Priority = 7,
            CorrelationId = "correlation",
            ReplyTo = "reply",
            Expiration = TimeSpan.FromMinutes(10),
            MessageId = "id",
            Timestamp = time,
            Type = "type",
            UserId = "guest",
            AppId = "app",
            Headers = new Dictionary<string, object?>
            {
                ["text"] = "héllo ✓",
                ["empty"] = "",
                ["null"] = null,
                ["true"] = true,
                ["false"] = false,
                ["byte"] = (byte)200,
                ["sbyte"] = (sbyte)-100,
                ["short"] = (short)-30_000,
                ["ushort"] = (ushort)60_000,
                ["int"] = -2_000_000_000,
                ["uint"] = 4_000_000_000U,
                ["long"] = long.MinValue,
                ["float"] = 1.5f,
                ["double"] = Math.PI,
                ["decimal"] = 12.345m,
                ["time"] = time,
                ["bytes"] = new byte[] { 0xff, 0, 0xfe },
                ["list"] = new List<object?> { 1, "two", null, new List<object?> { 3L } },
                ["table"] = new Dictionary<string, object?>
                {
                    ["inner"] = new Dictionary<string, object?> { ["deep"] = "yes" }
                },
            },
        };
        await amqp.PublishAsync(sent, Cancelled);
        AmqpMessage received = Assert.Single(await TakeAsync(amqp, queue, 1)).Message;
        Assert.Equal((sent with { Mandatory = received.Mandatory }).Properties(), received.Properties());
        Assert.True(received.Persistent);
        Assert.Equal(sent.Headers!.Keys.Order(), received.Headers!.Keys.Order());
        foreach (var (key, value) in sent.Headers)
            Assert.Equivalent(value, received.Headers[key], strict: true);
    }

    [Fact]
    public async Task Properties_that_were_not_set_are_not_there_after_a_message_that_had_them()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        await amqp.PublishAsync(AmqpMessage.ToQueue(queue, []) with
        {
            ContentType = "a",
            Priority = 1,
            CorrelationId = "b",
            MessageId = "c",
            Expiration = TimeSpan.FromMinutes(1),
            Headers = new Dictionary<string, object?> { ["x"] = 1 },
        }, Cancelled);
        await amqp.PublishAsync(AmqpMessage.ToQueue(queue, []) with { Persistent = false }, Cancelled);
        AmqpMessage plain = (await TakeAsync(amqp, queue, 2))[1].Message;
        Assert.False(plain.Persistent);
        Assert.True(
            plain is { ContentType: null, Priority: null, CorrelationId: null, MessageId: null, Expiration: null });
        Assert.True(plain.Headers is null or { Count: 0 }, "headers of another message");
    }

    [Fact]
    public async Task An_expired_message_goes_and_a_prior_one_comes_first()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = NewName(), dead = await NewQueueAsync(amqp);
        await amqp.DeclareAsync(
            new AmqpTopology().With(
                new AmqpQueue { Name = queue, MaxPriority = 9, DeadLetterExchange = "", DeadLetterRoutingKey = dead }),
            Cancelled);
        await amqp.PublishAsync(
            AmqpMessage.ToQueue(queue, "expires"u8.ToArray()) with { Expiration = TimeSpan.FromMilliseconds(1) },
            Cancelled);
        Assert.Equal("expires"u8.ToArray(), Assert.Single(await TakeAsync(amqp, dead, 1)).Body.ToArray());
        byte[] priorities = [1, 5, 9, 0, 5];
        foreach (byte priority in priorities)
            await amqp.PublishAsync(AmqpMessage.ToQueue(queue, []) with { Priority = priority }, Cancelled);
        // 0 is the same as none
        Assert.Equal(
            [9, 5, 5, 1, 0],
            (await TakeAsync(amqp, queue, 5, prefetch: 1)).Select(delivery => delivery.Message.Priority ?? 0));
    }

    [Fact]
    public void A_body_that_is_null_is_refused_by_name()
        => Assert.All<Func<AmqpMessage>>(
            [() => AmqpMessage.ToQueue("q", null!), () => AmqpMessage.ToExchange("e", "k", null!),
                () => AmqpMessage.Broadcast("e", null!)],
            make => Assert.Equal("body", Assert.Throws<ArgumentNullException>(make).ParamName));

    [Fact]
    public async Task What_cannot_be_sent_is_an_ArgumentException_that_names_the_argument_and_nothing_leaves()
    {
        AmqpClient amqp = await ConnectAsync(options => options.MaxMessageSize = 1 << 20);
        string queue = await NewQueueAsync(amqp);
        var good = AmqpMessage.ToQueue(queue, []);
        string over = new('x', 256), overInBytes = new('é', 128);
        var bad = new (string Name, AmqpMessage Message)[]
        {
            ("Body", good with { Body = new byte[(1 << 20) + 1] }),
            ("Exchange", good with { Exchange = over }), ("Exchange", good with { Exchange = null! }),
            ("RoutingKey", good with { RoutingKey = over }),
            ("RoutingKey", good with { RoutingKey = overInBytes }), ("RoutingKey", good with { RoutingKey = null! }),
            ("ContentType", good with { ContentType = over }),
            ("ContentEncoding", good with { ContentEncoding = over }),
            ("CorrelationId", good with { CorrelationId = over }),
            ("ReplyTo", good with { ReplyTo = over }), ("MessageId", good with { MessageId = over }),
            ("Type", good with { Type = over }),
            ("UserId", good with { UserId = over }), ("AppId", good with { AppId = over }),
            ("Expiration", good with { Expiration = TimeSpan.FromMilliseconds(-1) }),
            ("Expiration", good with { Expiration = TimeSpan.FromDays(50) }),
            (
                "Headers",
                good with { Headers = new Dictionary<string, object?> { ["big"] = new string('x', FrameMax) } }),
            ("Headers", good with { Headers = new Dictionary<string, object?> { [over] = 1 } }),
            ("Headers", good with { Headers = new Dictionary<string, object?> { ["odd"] = new Uri("about:blank") } }),
            ("Headers", good with { Headers = new Dictionary<string, object?> { ["deep"] = Nested(20) } }),
        };
        foreach (var (name, message) in bad)
        {
            foreach (Func<ValueTask> verb in (Func<ValueTask>[])
                [() => amqp.PublishAsync(message, Cancelled), () => amqp.PostAsync(message, Cancelled),
                    async () => await amqp.PublishAllAsync([good, message], Cancelled),
                    async () => await amqp.CallAsync(message, null, Cancelled)])
            {
                var error = await Assert.ThrowsAnyAsync<ArgumentException>(async () => await verb());
                Assert.Contains(name, error.Message, StringComparison.Ordinal);
            }
        }
        Assert.Equal("message", (await Assert.ThrowsAsync<ArgumentNullException>(
            async () => await amqp.PublishAsync(null!, Cancelled))).ParamName);
        Assert.Equal("messages", (await Assert.ThrowsAsync<ArgumentNullException>(
            async () => await amqp.PublishAllAsync(null!, Cancelled))).ParamName);
        await Assert.ThrowsAsync<ArgumentNullException>(
            async () => await amqp.PublishAllAsync([good, null!], Cancelled));
        Assert.Equal(0, await MessagesInAsync(queue));
        await amqp.PublishAsync(good, Cancelled);
        Assert.Equal(1, amqp.Status.Links[0].Epoch);
    }

    [Fact]
    public async Task The_largest_that_is_allowed_goes()
    {
        AmqpClient amqp = await ConnectAsync(options => options.MaxMessageSize = 1 << 20);
        string queue = await NewQueueAsync(amqp);
        string longest = new('é', 127);
        await amqp.PublishAsync(AmqpMessage.ToQueue(queue, new byte[1 << 20]) with
        {
            ContentType = longest,
            ContentEncoding = longest,
            CorrelationId = longest,
            ReplyTo = longest,
            MessageId = longest,
            Type = longest,
            AppId = longest,
            Headers = new Dictionary<string, object?> { ["big"] = new string('x', FrameMax - (16 << 10) - 20), },
        }, Cancelled);
        AmqpMessage received = Assert.Single(await TakeAsync(amqp, queue, 1)).Message;
        Assert.Equal(longest, received.Type);
        Assert.Equal(FrameMax - (16 << 10) - 20, Assert.IsType<string>(received.Headers!["big"]).Length);
    }

    private static Dictionary<string, object?> Nested(int depth)
        => new() { ["inner"] = depth == 0 ? 1 : Nested(depth - 1) };

    private static byte[] Random(int size)
    {
        byte[] body = new byte[size];
        new Random(size).NextBytes(body);
        return body;
    }

    private static void Same(ReadOnlyMemory<byte> sent, ReadOnlyMemory<byte> received)
    {
        Assert.Equal(sent.Length, received.Length);
        Assert.Equal(SHA256.HashData(sent.Span), SHA256.HashData(received.Span));
    }
}
