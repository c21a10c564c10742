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

    /// <summary>A message for whoever listens.</summary>
    public static async Task TellAsync(IAmqpClient amqp, byte[] body)
    {
        // <no-route>
        await amqp.DeclareAsync(new AmqpTopology().Exchange("news", AmqpExchangeType.Topic).Queue("european-news")
            .Bind("news", "eu.#").ToQueue("european-news"));
        await amqp.PublishAsync("news", "eu.weather", body);                      // has a queue
        await amqp.PublishAsync(AmqpMessage.Broadcast("news", "us.weather", body)); // needs none
        // </no-route>
    }

    /// <summary>A queue that somebody else declares.</summary>
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
}
