using System.Text;
using SafeAmqp;

namespace Tutorials;

/// <summary>4. Each message goes to the consumers that asked for its key.</summary>
public static class Routing
{
    public static async Task RunAsync(IAmqpClient amqp, Action<string> say)
    {
        await amqp.DeclareAsync(new AmqpTopology().Exchange("direct_logs", AmqpExchangeType.Direct));
        await ListenAsync("Disk", "error");
        await ListenAsync("Screen", "info", "warning", "error");

        foreach (string severity in (string[])["info", "error"])
            await amqp.PublishAsync("direct_logs", severity, "Run. Run. Or it will explode."u8.ToArray());

        Task ListenAsync(string listener, params string[] severities)
            => amqp.SubscribeAsync("direct_logs", severities, (log, _) =>
            {
                say($"{listener}: {log.Message.RoutingKey}: {Encoding.UTF8.GetString(log.Body.Span)}");
                return new(AmqpSettlement.Ack);
            });
    }
}
