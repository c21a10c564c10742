using System.Collections.Concurrent;
using System.Threading.Channels;

namespace SafeAmqp.IntegrationTests.Support;

/// <summary>
/// A handler for tests: hands deliveries over, and answers as it is told, by default with an acknowledgement.
/// </summary>
public sealed class Inbox(Func<AmqpDelivery, CancellationToken, ValueTask<AmqpSettlement>>? answer = null)
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private readonly Channel<AmqpDelivery> _deliveries = Channel.CreateUnbounded<AmqpDelivery>();
    private readonly ConcurrentQueue<AmqpDelivery> _all = [];
    private int _running;
    private int _mostRunning;

    public Inbox(AmqpSettlement always) : this((_, _) => ValueTask.FromResult(always))
    {
    }

    /// <summary>All that came, in the order in which handlers began.</summary>
    public IReadOnlyList<AmqpDelivery> All => [.. _all];

    /// <summary>How many handlers run now.</summary>
    public int Running => Volatile.Read(ref _running);

    /// <summary>How many handlers ran at once, at most.</summary>
    public int MostRunning => Volatile.Read(ref _mostRunning);

    public async ValueTask<AmqpSettlement> HandleAsync(AmqpDelivery delivery, CancellationToken lost)
    {
        int running = Interlocked.Increment(ref _running);
        for (int most = MostRunning; running > most; most = MostRunning)
            Interlocked.CompareExchange(ref _mostRunning, running, most);
        try
        {
            _all.Enqueue(delivery);
            _deliveries.Writer.TryWrite(delivery);
            return answer is null ? AmqpSettlement.Ack : await answer(delivery, lost);
        }
        finally
        {
            Interlocked.Decrement(ref _running);
        }
    }

    /// <summary>The next delivery, within the limit of all waits.</summary>
    public async Task<AmqpDelivery> NextAsync()
        => await _deliveries.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask()
            .WaitAsync(Limit, TestContext.Current.CancellationToken);

    public async Task<IReadOnlyList<AmqpDelivery>> NextAsync(int count)
    {
        var next = new List<AmqpDelivery>();
        while (next.Count < count)
            next.Add(await NextAsync());
        return next;
    }
}
