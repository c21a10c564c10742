using System.Collections.Concurrent;
using SafeAmqp;

namespace TwoThreads;

/// <summary>Two threads send on one confirming channel and lose patience with some of their messages.</summary>
/// <remarks>
/// Before 7.2.1 a cancelled publish also broke the numbering of the other thread's (RabbitMQ.Client's issue 1900),
/// until the channel jammed. What is left is that "cancelled" says nothing about the message.
/// </remarks>
internal static class CancelledSends
{
    private const int EachThread = 2_000;
    private const int AtOnce = 16;

    // A jam is waited out so long; what is only slow, on a machine that has much else to do, must not be taken for one.
    private static readonly TimeSpan RawPatience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan SafePatience = TimeSpan.FromSeconds(60);

    public static Way Way { get; } = new(
        "Two threads send and give some of their messages up",
        "a publish that was given up may have left and arrives all the same: sent again, it arrives twice",
        OnOneChannelAsync, OnSafeAmqpAsync);

    private static async Task<Tally> OnOneChannelAsync(Uri broker, CancellationToken cancellationToken)
    {
        await using var connection = await Raw.ConnectAsync(broker, cancellationToken);
        string queue = await Raw.NewQueueAsync(connection, cancellationToken);
        // Not disposed: a jammed channel's disposal waits for ever. Its connection's end takes it along.
        var channel = await connection.CreateChannelAsync(Raw.Tracking, cancellationToken);
        var ends = await RunAsync(
            (number, token) => channel.SendAsync("", queue, Raw.Body(number), token), RawPatience);
        var arrived = ends.Jammed ? [] : await Raw.DrainAsync(connection, queue, cancellationToken);
        return ends.Tally(arrived);
    }

    private static async Task<Tally> OnSafeAmqpAsync(Uri broker, CancellationToken cancellationToken)
    {
        await using var looker = await Raw.ConnectAsync(broker, cancellationToken);
        string queue = $"two-threads-{Guid.NewGuid():N}";
        await using var amqp = await AmqpClient.ConnectAsync(broker.ToString(), cancellationToken);
        await amqp.DeclareAsync(
            new AmqpTopology().With(new AmqpQueue { Name = queue, Expires = TimeSpan.FromMinutes(1) }),
            cancellationToken);
        var ends = await RunAsync(
            (number, token) => amqp.PublishAsync(AmqpMessage.ToQueue(queue, Raw.Body(number)), token), SafePatience);
        return ends.Tally(await Raw.DrainAsync(looker, queue, cancellationToken));
    }

    private static async Task<Ends> RunAsync(Func<int, CancellationToken, ValueTask> publish, TimeSpan patience)
    {
        var ends = new Ends();
        var threads = Enumerable.Range(0, 2)
            .Select(thread => OwnThread.RunAsync($"sender-{thread}", () => Send(thread, publish, patience, ends)));
        await Task.WhenAll(threads);
        return ends;
    }

    // Sixteen under way, half of which are given up at a random moment; then all are waited for, and the next sixteen
    // go.
    private static void Send(int thread, Func<int, CancellationToken, ValueTask> publish, TimeSpan patience, Ends ends)
    {
        var random = new Random(thread);
        for (int begun = 0; begun < EachThread && !ends.Jammed; begun += AtOnce)
        {
            var sources = Enumerable.Range(0, AtOnce).Select(_ => new CancellationTokenSource()).ToArray();
            var sent = sources.Select((source, i) => ends.ObserveAsync(
                thread * EachThread + begun + i, publish, source.Token)).ToArray();
            for (int i = 0; i < AtOnce; i += 2)
            {
                Thread.SpinWait(random.Next(200));
                sources[i].Cancel();
            }

            if (!Task.WaitAll(sent, patience))
                ends.NeverEnded(sent.Count(one => !one.IsCompleted));
        }
    }

    private sealed class Ends
    {
        private readonly ConcurrentBag<int> _confirmed = [];
        private readonly ConcurrentBag<int> _cancelled = [];
        private int _errors, _neverEnded;

        public bool Jammed => Volatile.Read(ref _neverEnded) > 0;

        public void NeverEnded(int count) => Interlocked.Add(ref _neverEnded, count);

        public async Task ObserveAsync(
            int number, Func<int, CancellationToken, ValueTask> publish, CancellationToken token)
        {
            try
            {
                await publish(number, token);
                _confirmed.Add(number);
            }
            catch (OperationCanceledException)
            {
                _cancelled.Add(number);
            }
            catch (Exception)
            {
                // Whatever it is, it is counted: what comes out here is what this program is about.
                Interlocked.Increment(ref _errors);
            }
        }

        public Tally Tally(List<int> arrived) => new Tally()
            .Fact("confirmed", _confirmed.Count)
            .Fact("given up", _cancelled.Count)
            .Harm("\"given up\" and yet delivered", _cancelled.Intersect(arrived).Count())
            .Harm("ended in an error", _errors)
            .Harm("never ended (the channel is jammed)", _neverEnded);
    }
}
