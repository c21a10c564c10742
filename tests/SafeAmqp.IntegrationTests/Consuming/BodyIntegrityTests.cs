using System.Security.Cryptography;

namespace SafeAmqp.IntegrationTests.Consuming;

public sealed class BodyIntegrityTests(TestBroker broker) : FeatureTest(broker)
{
    [Theory, MemberData(nameof(Layouts))]
    public async Task Bodies_kept_beyond_their_handlers_are_what_was_sent_with_sixteen_senders_and_sixteen_handlers(
        AmqpConnectionLayout layout)
    {
        const int senders = 16, each = 60;
        AmqpClient amqp = await ConnectAsync(layout);
        string queue = await NewQueueAsync(amqp);
        var inbox = new Inbox(async (_, _) =>
        {
            await Task.Yield();
            return AmqpSettlement.Ack;
        });
        await amqp.ConsumeAsync(
            queue, inbox.HandleAsync, new AmqpConsumerOptions { Concurrency = 16, Prefetch = 64 }, Cancelled);
        var sent = new System.Collections.Concurrent.ConcurrentBag<string>();
        await InTime(Task.WhenAll(Enumerable.Range(0, senders).Select(sender => Task.Run(async () =>
        {
            var random = new Random(sender);
            for (int i = 0; i < each; i++)
            {
                // Around the frame size, the pooled sizes, nothing at all, and a few that take many frames.
                int size = random.Next(8) switch
                {
                    0 => 0,
                    1 => random.Next(100),
                    2 => 131_064 + random.Next(16),
                    3 => random.Next(300_000),
                    _ => random.Next(20_000)
                };
                byte[] body = new byte[size];
                random.NextBytes(body);
                string hash = Convert.ToHexString(SHA256.HashData(body));
                sent.Add(hash);
                await amqp.PublishAsync(AmqpMessage.ToQueue(queue, body) with { MessageId = hash }, Cancelled);
            }
        }, Cancelled))));
        await inbox.NextAsync(senders * each);
        Assert.All(inbox.All, delivery =>
            Assert.Equal(delivery.Message.MessageId, Convert.ToHexString(SHA256.HashData(delivery.Body.Span))));
        Assert.Equal(sent.Order(), inbox.All.Select(delivery => delivery.Message.MessageId!).Order());
        Assert.True(inbox.MostRunning > 1);
    }

    [Fact]
    public async Task Everything_that_a_message_can_carry_comes_as_it_was_sent()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        AmqpMessage sent = AmqpMessage.ToQueue(queue, Bytes("größer")) with
        {
            ContentType = "text/plain",
            ContentEncoding = "utf-8",
            CorrelationId = "c",
            ReplyTo = "r",
            MessageId = "m",
            Expiration = TimeSpan.FromMinutes(1),
            Timestamp = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000),
            Type = "t",
            UserId = "guest",
            AppId = "a",
            Priority = 9,
            Persistent = false,
            Headers = new Dictionary<string, object?>
            {
                ["text"] = "größe",
                ["bytes"] = new byte[] { 0xFF, 0xFE },
                ["null"] = null,
                ["bool"] = true,
                ["int"] = -5,
                ["long"] = long.MaxValue,
                ["double"] = 1.5,
                ["decimal"] = 12.34m,
                ["time"] = DateTimeOffset.FromUnixTimeSeconds(1_700_000_000),
                ["list"] = new object?[] { 1, "two", null },
                ["table"] = new Dictionary<string, object?>
                {
                    ["deep"] = new Dictionary<string, object?> { ["deeper"] = 1L }
                },
            },
        };
        await amqp.PublishAsync(sent, Cancelled);
        await foreach (AmqpDelivery delivery in amqp.ReadAllAsync(queue, cancellationToken: Cancelled))
        {
            AmqpMessage received = delivery.Message;
            Assert.Equal("größer", Text(delivery));
            Assert.Equivalent(sent.Headers, received.Headers, strict: true);
            Assert.NotNull(received.Expiration);
            Assert.Equal((sent with { Expiration = null }).Properties(),
                (received with { Expiration = null, Mandatory = true }).Properties());
            break;
        }
    }
}
