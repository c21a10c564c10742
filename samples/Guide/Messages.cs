using SafeAmqp;

namespace Guide;

/// <summary>What to do about messages that people search for.</summary>
public static class Messages
{
    /// <summary>User and password beside the URI.</summary>
    public static AmqpClientOptions Credentials(string password)
    {
        // <credentials>
        var options = new AmqpClientOptions { Uri = "amqp://rabbit.example/", UserName = "shop", Password = password };
        // </credentials>
        return options;
    }

    /// <summary>A message that needs no listener.</summary>
    public static async Task TellAsync(IAmqpClient amqp, byte[] body)
    {
        // <no-route>
        await amqp.DeclareAsync(new AmqpTopology().Exchange("news", AmqpExchangeType.Topic).Queue("european-news")
            .Bind("news", "eu.#").ToQueue("european-news"));
        await amqp.PublishAsync("news", "eu.weather", body);                      // has a queue
        await amqp.PublishAsync(AmqpMessage.Broadcast("news", "us.weather", body)); // needs none
        // </no-route>
    }

    /// <summary>A queue that another program declares.</summary>
    public static async Task AdoptAsync(IAmqpClient amqp)
    {
        // <adopt>
        await amqp.DeclareAsync(new AmqpTopology().With(new AmqpQueue { Name = "orders", Passive = true }));
        // </adopt>
    }

    /// <summary>A publish with a time-out of its own.</summary>
    public static async Task PatientAsync(IAmqpClient amqp, AmqpMessage message)
    {
        // <not-sent>
        await amqp.PublishAsync(message, TimeSpan.FromMinutes(2));
        // </not-sent>
    }

    /// <summary>Options by which what was not answered goes again.</summary>
    public static AmqpClientOptions Repeating()
    {
        // <unknown>
        var options = new AmqpClientOptions { InFlight = AmqpInFlightPolicy.Republish };
        // </unknown>
        return options;
    }

    /// <summary>A client for a broker that is still starting.</summary>
    public static async Task<AmqpClient> OpenAsync(CancellationToken stop)
    {
        // <connection-refused>
        var amqp = new AmqpClient(new AmqpClientOptions { Uri = "amqp://localhost" });
        await amqp.OpenAsync(stop);    // tries again until it is open
        // </connection-refused>
        return amqp;
    }

    /// <summary>An exchange that the publisher declares.</summary>
    public static async Task DeclareExchangeAsync(IAmqpClient amqp, byte[] body)
    {
        // <no-exchange>
        await amqp.DeclareAsync(new AmqpTopology().Exchange("news", AmqpExchangeType.Topic));
        await amqp.PublishAsync(AmqpMessage.Broadcast("news", "eu.weather", body));
        // </no-exchange>
    }

    /// <summary>A queue that the consumer declares.</summary>
    public static async Task<AmqpSubscription> DeclareQueueAsync(IAmqpClient amqp, AmqpHandler handler)
    {
        // <no-queue>
        await amqp.DeclareAsync(new AmqpTopology().Queue("orders"));
        AmqpSubscription consumer = await amqp.ConsumeAsync("orders", handler);
        // </no-queue>
        return consumer;
    }

    /// <summary>One consumer at a time, and another when it ends.</summary>
    public static async Task<AmqpSubscription> OneAtATimeAsync(IAmqpClient amqp, AmqpHandler handler)
    {
        // <exclusive-use>
        await amqp.DeclareAsync(new AmqpTopology().With(
            new AmqpQueue { Name = "statements", SingleActiveConsumer = true }));
        AmqpSubscription consumer = await amqp.ConsumeAsync("statements", handler);    // in each instance
        // </exclusive-use>
        return consumer;
    }

    /// <summary>A queue of the client's own.</summary>
    public static async Task<AmqpSubscription> OwnQueueAsync(IAmqpClient amqp, AmqpHandler handler)
    {
        // <resource-locked>
        AmqpSubscription news = await amqp.SubscribeAsync("news", ["eu.#"], handler);
        // </resource-locked>
        return news;
    }

    /// <summary>How full a queue is.</summary>
    public static async Task<long> CountAsync(IAmqpClient amqp)
    {
        // <nacked>
        AmqpQueueCounts orders = await amqp.Admin.CountAsync("orders");    // orders.Messages, orders.Consumers
        // </nacked>
        return orders.Messages;
    }

    /// <summary>A call that may take long.</summary>
    public static async Task<AmqpReply> CallAsync(IAmqpClient amqp, AmqpMessage request)
    {
        // <no-reply>
        AmqpReply reply = await amqp.CallAsync(request, new AmqpCallOptions { Timeout = TimeSpan.FromMinutes(5) });
        // </no-reply>
        return reply;
    }

    /// <summary>Options for large messages.</summary>
    public static AmqpClientOptions Large()
    {
        // <too-large>
        var options = new AmqpClientOptions { Uri = "amqp://localhost", MaxMessageSize = 64L << 20 };    // 64 MiB
        // </too-large>
        return options;
    }

    /// <summary>Options for a broker that takes small messages only.</summary>
    public static AmqpClientOptions Small()
    {
        // <broker-limit>
        var options = new AmqpClientOptions { Uri = "amqp://localhost", MaxMessageSize = 1L << 20 };    // 1 MiB
        // </broker-limit>
        return options;
    }

    /// <summary>Headers that are short.</summary>
    public static async Task PublishAsync(IAmqpClient amqp, byte[] document)
    {
        // <frame-too-large>
        await amqp.PublishAsync(AmqpMessage.ToQueue("documents", document) with
        {
            Headers = new Dictionary<string, object?> { ["kind"] = "invoice" },
        });
        // </frame-too-large>
    }

    /// <summary>A handler that says when another try would fail too.</summary>
    public static async Task<AmqpSubscription> ReadAsync(IAmqpClient amqp, Func<string, CancellationToken, Task> ship)
    {
        // <handler-failed>
        AmqpSubscription consumer = await amqp.ConsumeAsync("orders", async (order, lost) =>
        {
            string address = order.Message.Headers?.GetValueOrDefault("address") as string
                ?? throw new AmqpUnreadableException("The order has no address.");    // dead at once
            await ship(address, lost);                                                // tried again if it throws
            return AmqpSettlement.Ack;
        });
        // </handler-failed>
        return consumer;
    }

    /// <summary>A handler that stops when its delivery is lost.</summary>
    public static async Task<AmqpSubscription> HeedAsync(IAmqpClient amqp, Func<CancellationToken, Task> work)
    {
        // <consumer-lost>
        AmqpSubscription consumer = await amqp.ConsumeAsync("reports", async (report, lost) =>
        {
            await work(lost);    // ends when the broker will deliver the report again
            return AmqpSettlement.Ack;
        });
        // </consumer-lost>
        return consumer;
    }
}
