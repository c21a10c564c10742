using SafeAmqp;

namespace Tutorials;

/// <summary>5. Each message goes to the consumers whose pattern fits its key.</summary>
public static class Topics
{
    public static async Task RunAsync(IAmqpClient amqp, Action<string> say)
    {
        await amqp.DeclareAsync(new AmqpTopology().Exchange("animals", AmqpExchangeType.Topic));
        await ListenAsync("Orange", "*.orange.*");
        await ListenAsync("Rabbits and the lazy", "*.*.rabbit", "lazy.#");

        foreach (string animal in (string[])["quick.orange.rabbit", "lazy.orange.elephant", "lazy.brown.fox"])
            await amqp.PublishAsync("animals", animal, []);

        Task ListenAsync(string listener, params string[] patterns)
            => amqp.SubscribeAsync("animals", patterns, (animal, _) =>
            {
                say($"{listener}: {animal.Message.RoutingKey}");
                return new(AmqpSettlement.Ack);
            });
    }
}
