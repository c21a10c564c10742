using SafeAmqp;

namespace Tutorials;

/// <summary>6. A request and its reply.</summary>
public static class RemoteCalls
{
    public static async Task RunAsync(IAmqpClient amqp, Action<string> say)
    {
        await amqp.DeclareAsync(new AmqpTopology().Queue("rpc_queue"));
        await amqp.ServeJsonAsync<int, long>("rpc_queue", (n, _, _) => new(Fibonacci(n)));

        long reply = await amqp.CallJsonAsync<int, long>("", "rpc_queue", 30);
        say($"fib(30) is {reply}");
    }

    private static long Fibonacci(int n) => n < 2 ? n : Fibonacci(n - 1) + Fibonacci(n - 2);
}
