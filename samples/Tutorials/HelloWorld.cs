using System.Text;
using SafeAmqp;

namespace Tutorials;

/// <summary>1. A message goes through a queue.</summary>
public static class HelloWorld
{
    public static async Task RunAsync(IAmqpClient amqp, Action<string> say)
    {
        await amqp.DeclareAsync(new AmqpTopology().Queue("hello"));
        await amqp.ConsumeAsync("hello", (delivery, _) =>
        {
            say($"Received {Encoding.UTF8.GetString(delivery.Body.Span)}");
            return new(AmqpSettlement.Ack);
        });

        await amqp.PublishAsync("", "hello", "Hello World!"u8.ToArray());
    }
}
