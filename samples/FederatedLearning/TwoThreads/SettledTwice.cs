using System.Collections.Concurrent;
using RabbitMQ.Client;
using RabbitMQ.Client.Events;
using SafeAmqp;

namespace TwoThreads;

/// <summary>
/// A consumer thread acknowledges its jobs; a second thread, which sends results on the same channel, gives back those
/// that took too long. Now and then both settle the same job.
/// </summary>
internal static class SettledTwice
{
    private const int Jobs = 300;
    private const int Results = 1_500;
    private const int EveryNthIsLate = 50;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public static Way Way { get; } = new(
        "One thread acknowledges jobs, the other sends results and gives late jobs back",
        "a job settled twice closes the channel (406) under both threads",
        OnOneChannelAsync, OnSafeAmqpAsync);

    private static async Task<Tally> OnOneChannelAsync(Uri broker, CancellationToken cancellationToken)
    {
        await using var connection = await Raw.ConnectAsync(broker, cancellationToken);
        string jobs = await Raw.NewQueueAsync(connection, cancellationToken);
        string results = await Raw.NewQueueAsync(connection, cancellationToken);
        await Raw.FillAsync(connection, jobs, Jobs, cancellationToken);
        await using var channel = await connection.CreateChannelAsync(Raw.Tracking, cancellationToken);
        var work = new Work();

        // The second thread learns of late jobs from the first.
        using var late = new BlockingCollection<ulong>();
        int closed = 0;
        channel.ChannelShutdownAsync += (_, reason) =>
        {
            if (reason.Initiator == ShutdownInitiator.Peer)
                Interlocked.Increment(ref closed);
            return Task.CompletedTask;
        };
        var consumer = new AsyncEventingBasicConsumer(channel);
        consumer.ReceivedAsync += async (_, delivery) =>
        {
            int number = Raw.NumberOf(delivery.Body);
            if (work.Handle(number) && number % EveryNthIsLate == EveryNthIsLate - 1)
                late.Add(delivery.DeliveryTag, cancellationToken);
            await channel.BasicAckAsync(delivery.DeliveryTag, multiple: false, cancellationToken);
        };
        await channel.BasicQosAsync(0, 20, global: false, cancellationToken);
        await channel.BasicConsumeAsync(jobs, autoAck: false, consumer, cancellationToken);

        await OwnThread.RunAsync(
            "sender",
            () => Send(work, number => channel.SendAsync("", results, Raw.Body(number), cancellationToken), () =>
        {
            while (late.TryTake(out ulong tag))
                channel.BasicNackAsync(tag, multiple: false, requeue: true, cancellationToken).AsTask().GetAwaiter()
                    .GetResult();
        }));
        if (channel.IsOpen) // else nothing comes any more
            work.WaitForAll();
        return work.Tally(Volatile.Read(ref closed));
    }

    private static async Task<Tally> OnSafeAmqpAsync(Uri broker, CancellationToken cancellationToken)
    {
        await using var connection = await Raw.ConnectAsync(broker, cancellationToken);
        string jobs = await Queue();
        string results = await Queue();
        await Raw.FillAsync(connection, jobs, Jobs, cancellationToken);
        await using var amqp = await AmqpClient.ConnectAsync(broker.ToString(), cancellationToken);
        var work = new Work();
        using var late = new BlockingCollection<AmqpDelivery>();
        int secondSettlements = 0;
        await using var subscription = await amqp.ConsumeAsync(jobs, (delivery, _) =>
        {
            int number = Raw.NumberOf(delivery.Body);
            bool isLate = work.Handle(number) && number % EveryNthIsLate == EveryNthIsLate - 1;
            delivery.Settle(AmqpSettlement.Ack);
            if (isLate)
                late.Add(delivery, cancellationToken);
            return ValueTask.FromResult(AmqpSettlement.Ack);
        }, new AmqpConsumerOptions { Prefetch = 20 }, cancellationToken);

        await OwnThread.RunAsync("sender", () => Send(
            work, number => amqp.PublishAsync(AmqpMessage.ToQueue(results, Raw.Body(number)), cancellationToken), () =>
        {
            while (late.TryTake(out var delivery))
                if (delivery.Settle(AmqpSettlement.Requeue) == AmqpSettleResult.AlreadySettled)
                    secondSettlements++;
        }));
        work.WaitForAll();
        return work.Tally(amqp.Status.Links.Sum(link => link.Epoch - 1))
            .Fact("second settlements that were told so and did nothing", secondSettlements);

        async Task<string> Queue()
        {
            await using var channel = await connection.CreateChannelAsync(cancellationToken: cancellationToken);
            string name = $"two-threads-{Guid.NewGuid():N}";
            await channel.QueueDeclareAsync(name, durable: true, exclusive: false, autoDelete: false,
                new Dictionary<string, object?> { ["x-expires"] = 60_000 }, cancellationToken: cancellationToken);
            return name;
        }
    }

    // Sends results until all are sent or the channel is gone, and looks after late jobs in between.
    private static void Send(Work work, Func<int, ValueTask> publish, Action giveLateJobsBack)
    {
        for (int number = 0; number < Results; number++)
        {
            try
            {
                giveLateJobsBack();
                publish(number).AsTask().GetAwaiter().GetResult();
            }
            catch (Exception)
            {
                // Counted and told: what fails here is what this program is about.
                work.FailedResults++;
            }
        }
    }

    private sealed class Work
    {
        private readonly ConcurrentDictionary<int, int> _handled = new();
        private readonly TaskCompletionSource _all = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public int FailedResults { get; set; }

        /// <summary>Counts a job; whether it is the first time.</summary>
        public bool Handle(int number)
        {
            int times = _handled.AddOrUpdate(number, 1, (_, before) => before + 1);
            if (_handled.Count == Jobs)
                _all.TrySetResult();
            return times == 1;
        }

        public void WaitForAll() => _all.Task.Wait(Patience);

        public Tally Tally(int closed) => new Tally()
            .Fact($"jobs handled, of {Jobs}", _handled.Count)
            .Fact($"results confirmed, of {Results}", Results - FailedResults)
            .Harm("times the broker closed the channel", closed)
            .Harm("jobs that are not handled any more", Jobs - _handled.Count)
            .Harm("results that could not be sent", FailedResults);
    }
}
