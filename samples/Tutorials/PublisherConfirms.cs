using SafeAmqp;

namespace Tutorials;

/// <summary>7. The broker takes responsibility for each message, or the publisher learns why not.</summary>
public static class PublisherConfirms
{
    public static async Task RunAsync(IAmqpClient amqp, Action<string> say)
    {
        await amqp.DeclareAsync(new AmqpTopology().Queue("confirms"));
        var message = AmqpMessage.ToQueue("confirms", "a"u8.ToArray());
        await amqp.PublishAsync(message);
        say("One by one: confirmed");

        var results = await amqp.PublishAllAsync([.. Enumerable.Repeat(message, 1000)]);
        say($"In a batch: {results.Count(result => result.IsConfirmed)} confirmed");

        await Task.WhenAll(Enumerable.Range(0, 1000).Select(_ => amqp.PublishAsync(message).AsTask()));
        say("All at once: confirmed");

        try { await amqp.PublishAsync("", "nowhere", "a"u8.ToArray()); }
        catch (AmqpReturnedException) { say("To no queue: returned"); }
    }
}
