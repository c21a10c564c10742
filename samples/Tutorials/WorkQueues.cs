using System.Text;
using SafeAmqp;

namespace Tutorials;

/// <summary>2. Tasks are shared among workers: a task that its worker did not finish goes to another.</summary>
public static class WorkQueues
{
    public static async Task RunAsync(IAmqpClient amqp, Action<string> say)
    {
        await amqp.DeclareAsync(new AmqpTopology().Queue("task_queue"));
        foreach (string worker in (string[])["one", "two"])
            await amqp.ConsumeAsync("task_queue", async (task, _) =>
            {
                string text = Encoding.UTF8.GetString(task.Body.Span);
                await Task.Delay(100 * text.Count(letter => letter == '.'), task.Stopping);
                say($"Worker {worker} did {text}");
                return AmqpSettlement.Ack;
            }, new AmqpConsumerOptions { Prefetch = 1 });

        foreach (string task in (string[])["First.", "Second..", "Third...", "Fourth...."])
            await amqp.PublishAsync("", "task_queue", Encoding.UTF8.GetBytes(task));
    }
}
