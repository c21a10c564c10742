using System.Text;
using SafeAmqp;

namespace Guide;

/// <summary>The same with SafeAmqp.</summary>
public static class After
{
    /// <summary>Runs both, until the letter was read.</summary>
    public static async Task RunAsync(Uri uri, Action<string> say, Task read)
    {
        // <after>
        await using AmqpClient amqp = await AmqpClient.ConnectAsync(uri);
        await amqp.DeclareAsync(new AmqpTopology().Queue("letters"));

        await using AmqpSubscription consumer = await amqp.ConsumeAsync("letters", (letter, lost) =>
        {
            say($"Read {Encoding.UTF8.GetString(letter.Body.Span)}");
            return new(AmqpSettlement.Ack);
        });

        await amqp.PublishAsync("", "letters", Encoding.UTF8.GetBytes("a letter"));
        // </after>
        await read;
    }
}
