using System.Text;
using SafeAmqp;

namespace Tutorials;

/// <summary>3. Each message goes to all listeners.</summary>
public static class PublishSubscribe
{
    public static async Task RunAsync(IAmqpClient amqp, Action<string> say)
    {
        await amqp.DeclareAsync(new AmqpTopology().Exchange("logs", AmqpExchangeType.Fanout));
        foreach (string listener in (string[])["Screen", "Disk"])
            await amqp.SubscribeAsync("logs", [], (log, _) =>
            {
                say($"{listener}: {Encoding.UTF8.GetString(log.Body.Span)}");
                return new(AmqpSettlement.Ack);
            });

        await amqp.PublishAsync(AmqpMessage.Broadcast("logs", "info: Hello World!"u8.ToArray()));
    }
}
