using System.Text;
using SafeAmqp;

await using var amqp = await AmqpClient.ConnectAsync("amqp://guest:guest@localhost:5672/");
await amqp.DeclareAsync(new AmqpTopology().Queue("orders"));

await using var consumer = await amqp.ConsumeAsync("orders", async (order, lost) =>
{
    await Console.Out.WriteLineAsync(Encoding.UTF8.GetString(order.Body.Span));
    return AmqpSettlement.Ack;
});

// Each publish ends when the broker has confirmed it.
await Parallel.ForAsync(0, 100, async (i, ct) =>
    await amqp.PublishAsync(AmqpMessage.ToQueue("orders", Encoding.UTF8.GetBytes($"order {i}")), ct));

Console.ReadLine(); // Enter ends the program
