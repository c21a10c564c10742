using System.Buffers.Binary;
using System.Collections.Concurrent;

namespace SafeAmqp.IntegrationTests.Support;

/// <summary>How a publish ended, as its caller saw it.</summary>
internal enum Ending : byte
{
    Open,
    Confirmed,
    Returned,
    Nacked,
    Refused,
    NotSent,
    Unknown,
    Cancelled,
    Disposed,

    /// <summary>With something that the library never throws.</summary>
    Broken,
}

/// <summary>
/// Accounts for every message of a run: what was attempted, how each attempt ended, what was delivered. Afterwards <see cref="Verify"/> fails when
/// a message was lost, made up, doubled, out of order, ended never or twice, or was delivered although its end says that it cannot have been.
/// </summary>
internal sealed class History(int publishers, int messagesEach)
{
    internal const int BodySize = 16;

    private readonly byte[] _endings = new byte[publishers * messagesEach];
    private readonly byte[] _ends = new byte[publishers * messagesEach];
    private readonly int[] _deliveries = new int[publishers * messagesEach];
    private readonly int[] _freshDeliveries = new int[publishers * messagesEach];
    private readonly int[] _firstSeen = new int[publishers * messagesEach];
    private readonly bool[] _attempted = new bool[publishers * messagesEach];
    private readonly ConcurrentQueue<string> _breaches = [];
    private readonly int[] _counts = new int[Enum.GetValues<Ending>().Length];
    private int _attempts;
    private int _seen;

    /// <summary>The first thing seen that can never be right.</summary>
    internal string? Breach => _breaches.TryPeek(out string? breach) ? breach : null;

    internal int Attempts => Volatile.Read(ref _attempts);

    internal int Deliveries => Volatile.Read(ref _seen);

    internal int Count(Ending ending) => Volatile.Read(ref _counts[(int)ending]);

    internal int DistinctDelivered => _deliveries.Count(count => count > 0);

    internal byte[] Body(int publisher, int number, int size = BodySize)
    {
        byte[] body = new byte[Math.Max(size, BodySize)];
        BinaryPrimitives.WriteInt32LittleEndian(body, publisher);
        BinaryPrimitives.WriteInt32LittleEndian(body.AsSpan(4), number);
        BinaryPrimitives.WriteInt64LittleEndian(body.AsSpan(8), Check(publisher, number));
        return body;
    }

    /// <summary>Publishes and records how it ended. Never throws.</summary>
    internal async Task<Ending> PublishAsync(IAmqpClient client, string queue, int publisher, int number, int size = BodySize, CancellationToken cancellationToken = default)
    {
        Attempted(publisher, number);
        Exception? error = null;
        try
        {
            await client.PublishAsync(AmqpMessage.ToQueue(queue, Body(publisher, number, size)), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            error = e;
        }
        return Ended(publisher, number, error, cancellationToken);
    }

    internal void Attempted(int publisher, int number)
    {
        _attempted[Index(publisher, number)] = true;
        Interlocked.Increment(ref _attempts);
    }

    internal Ending Ended(int publisher, int number, Exception? error, CancellationToken cancellationToken = default)
    {
        int index = Index(publisher, number);
        Ending ending = error switch
        {
            null => Ending.Confirmed,
            AmqpException known => known.Outcome switch
            {
                AmqpOutcome.Returned => Ending.Returned,
                AmqpOutcome.Nacked => Ending.Nacked,
                AmqpOutcome.Refused => Ending.Refused,
                AmqpOutcome.NotSent => Ending.NotSent,
                AmqpOutcome.Unknown => Ending.Unknown,
                _ => Ending.Broken,
            },
            OperationCanceledException cancelled when cancelled.CancellationToken == cancellationToken && cancellationToken.IsCancellationRequested => Ending.Cancelled,
            ObjectDisposedException => Ending.Disposed,
            _ => Ending.Broken,
        };
        if (ending == Ending.Broken)
            _breaches.Enqueue($"message {publisher}/{number} ended with {error}");
        _endings[index] = (byte)ending;
        _ends[index]++;
        Interlocked.Increment(ref _counts[(int)ending]);
        return ending;
    }

    /// <summary>Records a delivery. To be called in the order of delivery.</summary>
    internal void Delivered(AmqpDelivery delivery) => Delivered(delivery.Body.Span, delivery.IsRedelivered);

    internal void Delivered(ReadOnlySpan<byte> body, bool redelivered)
    {
        int publisher = body.Length < BodySize ? -1 : BinaryPrimitives.ReadInt32LittleEndian(body);
        int number = body.Length < BodySize ? -1 : BinaryPrimitives.ReadInt32LittleEndian(body[4..]);
        if ((uint)publisher >= publishers || (uint)number >= messagesEach || BinaryPrimitives.ReadInt64LittleEndian(body[8..]) != Check(publisher, number))
        {
            _breaches.Enqueue($"a body of {body.Length} bytes that nobody sent");
            return;
        }
        int index = Index(publisher, number);
        int seen = Interlocked.Increment(ref _seen);
        if (Interlocked.Increment(ref _deliveries[index]) == 1)
            _firstSeen[index] = seen;
        if (!redelivered)
            Interlocked.Increment(ref _freshDeliveries[index]);
    }

    /// <summary>Fails unless everything adds up.</summary>
    /// <param name="mayRepeat">Whether a message may have been published twice (republished).</param>
    /// <param name="ordered">Whether the deliveries were recorded by one consumer that handles one at a time.</param>
    internal void Verify(bool mayRepeat = false, bool ordered = true)
    {
        for (int publisher = 0; publisher < publishers; publisher++)
        {
            int last = 0, lastNumber = 0;
            for (int number = 0; number < messagesEach; number++)
            {
                int i = Index(publisher, number);
                var ending = (Ending)_endings[i];
                if (_attempted[i] && _ends[i] != 1)
                    Say($"{publisher}/{number} ended {_ends[i]} times");
                if (!_attempted[i] && _deliveries[i] > 0)
                    Say($"{publisher}/{number} was delivered and never sent");
                if (ending == Ending.Confirmed && _deliveries[i] == 0)
                    Say($"{publisher}/{number} was confirmed and is lost");
                if (ending is not (Ending.Confirmed or Ending.Unknown) && _deliveries[i] > 0)
                    Say($"{publisher}/{number} ended as {ending} and was delivered");
                if (!mayRepeat && _freshDeliveries[i] > 1)
                    Say($"{publisher}/{number} was delivered {_freshDeliveries[i]} times as new");
                if (ending == Ending.Unknown)
                    last = 0; // no order is promised across one
                if (!ordered || mayRepeat || ending != Ending.Confirmed)
                    continue;
                if (_firstSeen[i] < last)
                    Say($"{publisher}/{number} was delivered before {publisher}/{lastNumber}");
                (last, lastNumber) = (_firstSeen[i], number);
            }
        }
        Assert.True(_breaches.IsEmpty, $"{_breaches.Count} breaches, the first: {string.Join("; ", _breaches.Take(5))}. {this}");
    }

    public override string ToString() => string.Join(", ", Enum.GetValues<Ending>().Where(ending => ending != Ending.Open).Select(ending => $"{ending} {Count(ending)}"))
        + $"; {Attempts} attempts, {Deliveries} deliveries of {DistinctDelivered} messages";

    private void Say(string breach) => _breaches.Enqueue(breach);

    private int Index(int publisher, int number) => publisher * messagesEach + number;

    private static long Check(int publisher, int number) => unchecked(((long)publisher * 7_919 + number) * -7046029254386353131L);
}
