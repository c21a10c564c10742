using System.Collections.Concurrent;
using SafeAmqp;

namespace TwoThreads;

/// <summary>Two threads send on one channel and note under which number each message waits for its confirm.</summary>
/// <remarks>Asking for the next number and publishing are two steps; the other thread comes between them.</remarks>
internal static class NumberedByHand
{
    private const int EachThread = 2_000;
    private const int AtOnce = 8;

    public static Way Way { get; } = new(
        "Two threads send and keep their own book of confirms",
        "the next number is asked for by one thread and taken by the other, so that an ack is credited to the "
            + "wrong message",
        OnOneChannelAsync, OnSafeAmqpAsync);

    private static async Task<Tally> OnOneChannelAsync(Uri broker, CancellationToken cancellationToken)
    {
        await using var connection = await Raw.ConnectAsync(broker, cancellationToken);
        string queue = await Raw.NewQueueAsync(connection, cancellationToken);
        await using var channel = await connection.CreateChannelAsync(Raw.NumbersByHand, cancellationToken);
        var book = new ConcurrentDictionary<ulong, int>();
        int misnumbered = 0;
        await Task.WhenAll(Enumerable.Range(0, 2).Select(thread => OwnThread.RunAsync($"sender-{thread}", () =>
        {
            for (int begun = 0; begun < EachThread; begun += AtOnce)
                Task.WaitAll([.. Enumerable.Range(thread * EachThread + begun, AtOnce).Select(SendAsync)]);
        })));
        return new Tally()
            .Fact("sent", 2 * EachThread)
            .Fact("with an entry of their own in the book", 2 * EachThread - misnumbered)
            .Harm("noted under a number that another message has", misnumbered);

        async Task SendAsync(int message)
        {
            ulong number = await channel.GetNextPublishSequenceNumberAsync(cancellationToken);
            if (!book.TryAdd(number, message))
                Interlocked.Increment(ref misnumbered);
            await channel.SendAsync("", queue, Raw.Body(message), cancellationToken);
        }
    }

    private static async Task<Tally> OnSafeAmqpAsync(Uri broker, CancellationToken cancellationToken)
    {
        string queue = $"two-threads-{Guid.NewGuid():N}";
        await using var amqp = await AmqpClient.ConnectAsync(broker.ToString(), cancellationToken);
        await amqp.DeclareAsync(
            new AmqpTopology().With(new AmqpQueue { Name = queue, Exclusive = true, Durable = false }),
            cancellationToken);
        int confirmed = 0;
        await Task.WhenAll(Enumerable.Range(0, 2).Select(thread => OwnThread.RunAsync($"sender-{thread}", () =>
        {
            for (int begun = 0; begun < EachThread; begun += AtOnce)
                Task.WaitAll([.. Enumerable.Range(thread * EachThread + begun, AtOnce).Select(SendAsync)]);
        })));
        return new Tally()
            .Fact("sent", 2 * EachThread)
            .Fact("confirmed, each to its own caller", confirmed)
            .Harm("noted under a number that another message has", 2 * EachThread - confirmed);

        async Task SendAsync(int message)
        {
            await amqp.PublishAsync(AmqpMessage.ToQueue(queue, Raw.Body(message)), cancellationToken);
            Interlocked.Increment(ref confirmed);
        }
    }
}
