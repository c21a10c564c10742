using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using SafeAmqp;

namespace TwoThreads;

/// <summary>One thread consumes; the other publishes, once to an exchange that is not there.</summary>
internal static class OneMistake
{
    private const int Jobs = 500;
    private const int Sends = 500;
    private const int TheMistake = 100;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public static Way Way { get; } = new(
        "One thread consumes, the other sends, once to an exchange that is not there",
        "the broker closes the channel over it (404), and with it the other thread's consumer",
        OnOneChannelAsync, OnSafeAmqpAsync);

    private static async Task<Tally> OnOneChannelAsync(Uri broker, CancellationToken cancellationToken)
    {
        await using var connection = await Raw.ConnectAsync(broker, cancellationToken);
        var (jobs, results) = (await Raw.NewQueueAsync(connection, cancellationToken), await Raw.NewQueueAsync(
            connection, cancellationToken));
        await Raw.FillAsync(connection, jobs, Jobs, cancellationToken);
        await using var channel = await connection.CreateChannelAsync(Raw.Tracking, cancellationToken);
        using var load = new Load();
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += async (_, delivery) =>
        {
            await load.HandleAsync();
            await channel.BasicAckAsync(delivery.DeliveryTag, multiple: false, cancellationToken);
        };
        await channel.BasicQosAsync(0, 10, global: false, cancellationToken);
        await channel.BasicConsumeAsync(jobs, autoAck: false, consumer, cancellationToken);
        await OwnThread.RunAsync("sender", () => load.Send((exchange, number) =>
            channel.SendAsync(exchange, results, Raw.Body(number), cancellationToken)));
        if (channel.IsOpen) // else nothing comes any more
            load.WaitForAll();
        return load.Tally();
    }

    private static async Task<Tally> OnSafeAmqpAsync(Uri broker, CancellationToken cancellationToken)
    {
        await using var amqp = await AmqpClient.ConnectAsync(broker.ToString(), cancellationToken);
        var (jobs, results) = ($"two-threads-{Guid.NewGuid():N}", $"two-threads-{Guid.NewGuid():N}");
        foreach (string queue in (string[])[jobs, results])
            await amqp.DeclareAsync(
                new AmqpTopology().With(new AmqpQueue { Name = queue, Expires = TimeSpan.FromMinutes(1) }),
                cancellationToken);
        await amqp.PublishAllAsync(
            [.. Enumerable.Range(0, Jobs).Select(number => AmqpMessage.ToQueue(jobs, Raw.Body(number)))],
            cancellationToken);
        using var load = new Load();
        await using var subscription = await amqp.ConsumeAsync(jobs, async (_, _) =>
        {
            await load.HandleAsync();
            return AmqpSettlement.Ack;
        }, new AmqpConsumerOptions { Prefetch = 10 }, cancellationToken);
        await OwnThread.RunAsync("sender", () => load.Send((exchange, number) =>
            amqp.PublishAsync(AmqpMessage.ToExchange(exchange, results, Raw.Body(number)), cancellationToken)));
        load.WaitForAll();
        return load.Tally();
    }

    private sealed class Load : IDisposable
    {
        private readonly TaskCompletionSource _all = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly SemaphoreSlim _mayHandle = new(0);
        private int _handled;
        private int _failed;
        private int _toldOfMistake;

        public void Dispose() => _mayHandle.Dispose();

        // The consumer keeps step with the sender, so that the mistake finds it at work.
        public async Task HandleAsync()
        {
            await _mayHandle.WaitAsync();
            if (Interlocked.Increment(ref _handled) == Jobs)
                _all.TrySetResult();
        }

        public void Send(Func<string, int, ValueTask> publish)
        {
            for (int number = 0; number < Sends; number++)
            {
                try
                {
                    publish(number == TheMistake ? "no-such-exchange" : "", number).AsTask().GetAwaiter().GetResult();
                }
                catch (Exception)
                {
                    // Counted and told: what fails here is what this program is about.
                    if (number == TheMistake) _toldOfMistake++;
                    else _failed++;
                }

                _mayHandle.Release();
            }
        }

        public void WaitForAll() => _all.Task.Wait(Patience);

        public Tally Tally()
        {
            int handled = Math.Min(Volatile.Read(ref _handled), Jobs);
            return new Tally()
                .Fact("mistakes told to the thread that made them", _toldOfMistake)
                .Fact($"jobs handled, of {Jobs}", handled)
                .Fact($"messages confirmed, of {Sends - 1} good ones", Sends - 1 - _failed)
                .Harm("jobs that are not handled any more", Jobs - handled)
                .Harm("good messages that failed with the bad one", _failed);
        }
    }
}
