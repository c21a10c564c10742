using System.Collections.Concurrent;
using System.Globalization;

namespace SafeAmqp.Faults;

/// <summary>
/// Accounts for every message of a run: what was attempted, how each attempt ended, what was delivered. Afterwards
/// <see cref="Violations"/> tells what was lost, made up, doubled, out of order, ended never or twice, or was delivered
/// although its end says that it cannot have been.
/// </summary>
/// <remarks>
/// Sixteen bytes a message, so that a run of hours fits. Any thread may record; deliveries of one queue in their order.
/// </remarks>
public sealed class History
{
    public const int BodySize = Bodies.MinSize;

    /// <summary>
    /// More messages than any publisher makes while a test lasts: for a load that goes on until it is stopped.
    /// </summary>
    private const int Endless = 10_000_000;

    private const int PageSize = 4096;

    private readonly Lane[] _lanes;
    private readonly Entry[]?[][] _pages;
    private readonly int _messagesEach;
    private readonly ConcurrentQueue<Violation> _seenWrong = [];
    private readonly int[] _counts = new int[Enum.GetValues<Ending>().Length];
    private int _attempts;
    private int _seen;

    public History(int publishers, int messagesEach = Endless)
        : this([.. Enumerable.Repeat(new Lane(), publishers)], messagesEach)
    {
    }

    public History(IReadOnlyList<Lane> lanes, int messagesEach)
    {
        _lanes = [.. lanes];
        _messagesEach = messagesEach;
        _pages = [.. lanes.Select(_ => new Entry[]?[(messagesEach + PageSize - 1) / PageSize])];
    }

    public IReadOnlyList<Lane> Lanes => _lanes;

    /// <summary>The first thing seen that can never be right.</summary>
    public Violation? Breach => _seenWrong.TryPeek(out Violation? breach) ? breach : null;

    public int Attempts => Volatile.Read(ref _attempts);

    public int Deliveries => Volatile.Read(ref _seen);

    public int DistinctDelivered => Entries().Count(entry => entry.Deliveries > 0);

    /// <summary>Publishes that have not ended.</summary>
    public int OpenCount => Entries().Count(entry => entry is { IsAttempted: true, Ends: 0 });

    /// <summary>What the account itself takes, so that a run can tell its own growth from the library's.</summary>
    public long Bytes
        => _pages.Sum(pages => 8L * pages.Length + pages.Count(page => page is not null) * 16L * PageSize);

    public int Count(Ending ending) => Volatile.Read(ref _counts[(int)ending]);

    public byte[] Body(int publisher, int number, int size = BodySize) => Bodies.Make(publisher, number, size);

    /// <summary>Publishes and records how it ended. Never throws.</summary>
    public async Task<Ending> PublishAsync(IAmqpClient client, string queue, int publisher, int number,
        int size = BodySize, CancellationToken cancellationToken = default)
    {
        Attempted(publisher, number);
        Exception? error = null;
        try
        {
            await client.PublishAsync(AmqpMessage.ToQueue(queue, Body(publisher, number, size)), cancellationToken)
                .ConfigureAwait(false);
        }
        catch (Exception e)
        {
            error = e;
        }
        return Ended(publisher, number, error, cancellationToken);
    }

    public void Attempted(int publisher, int number)
    {
        At(publisher, number).IsAttempted = true;
        Interlocked.Increment(ref _attempts);
    }

    public Ending Ended(int publisher, int number, Exception? error, CancellationToken cancellationToken = default)
    {
        Ending ending = Endings.Of(error, cancellationToken);
        Ended(publisher, number, ending, error?.ToString());
        return ending;
    }

    public void Ended(int publisher, int number, Ending ending, string? error = null)
    {
        if (ending == Ending.Broken)
            _seenWrong.Enqueue(new Violation("broken", $"message {publisher}/{number} ended with {error}"));
        ref Entry entry = ref At(publisher, number);
        entry.Ending = ending;
        entry.Ends++;
        Interlocked.Increment(ref _counts[(int)ending]);
    }

    /// <summary>Records a delivery. To be called in the order of delivery.</summary>
    public void Delivered(AmqpDelivery delivery) => Delivered(delivery.Body.Span, delivery.IsRedelivered);

    public void Delivered(ReadOnlySpan<byte> body, bool redelivered)
    {
        if (Bodies.TryRead(body, out int publisher, out int number) && (uint)publisher < _lanes.Length
            && (uint)number < _messagesEach)
            Delivered(publisher, number, redelivered);
        else
            Garbled($"a body of {body.Length} bytes that was never sent, of publisher {publisher}, number {number}");
    }

    public void Delivered(int publisher, int number, bool redelivered)
    {
        int seen = Interlocked.Increment(ref _seen);
        ref Entry entry = ref At(publisher, number);
        if (Interlocked.Increment(ref entry.Deliveries) == 1)
        {
            entry.FirstSeen = seen;
            entry.FirstWasRedelivered = redelivered;
        }
        if (!redelivered && entry.Fresh < byte.MaxValue)
            entry.Fresh++;
    }

    public void Garbled(string what) => _seenWrong.Enqueue(new Violation("garbled", what));

    /// <summary>Everything that must never be; empty when all adds up.</summary>
    /// <param name="every">What to expect of every lane, in place of what each says.</param>
    public IReadOnlyList<Violation> Violations(Lane? every = null)
    {
        var found = new List<Violation>(_seenWrong);
        for (int publisher = 0; publisher < _lanes.Length; publisher++)
            Examine(publisher, every ?? _lanes[publisher], found);
        return found;
    }

    public override string ToString() => string.Join(
        ", ",
        Enum.GetValues<Ending>().Where(ending => ending != Ending.Open).Select(ending => $"{ending} {Count(ending)}"))
        + string.Create(
            CultureInfo.InvariantCulture,
            $"; {Attempts} attempts, {Deliveries} deliveries of {DistinctDelivered} messages");

    private void Examine(int publisher, Lane lane, List<Violation> found)
    {
        int last = 0, lastNumber = 0;
        for (int page = 0; page < _pages[publisher].Length; page++)
        {
            if (_pages[publisher][page] is not { } entries)
                continue;
            for (int index = 0; index < entries.Length; index++)
            {
                Entry entry = entries[index];
                int number = page * PageSize + index;
                Account(lane, $"{publisher}/{number}", entry, found);
                if (entry.Ending == Ending.Unknown)
                    last = 0; // no order is promised across one
                // One that somebody gave back comes when it comes: order is promised without requeues.
                if (!lane.Ordered || entry.Ending != Ending.Confirmed || entry.FirstSeen == 0
                    || entry.FirstWasRedelivered)
                    continue;
                if (entry.FirstSeen < last)
                    found.Add(new Violation(
                        "swapped", $"{publisher}/{number} was delivered before {publisher}/{lastNumber}"));
                (last, lastNumber) = (entry.FirstSeen, number);
            }
        }
    }

    private static void Account(Lane lane, string name, Entry entry, List<Violation> found)
    {
        if (entry.IsAttempted && entry.Ends == 0)
            found.Add(new Violation("never ended", $"{name} ended 0 times"));
        if (entry.Ends > 1)
            found.Add(new Violation("ended twice", $"{name} ended {entry.Ends} times"));
        if (!entry.IsAttempted && entry.Deliveries > 0)
            found.Add(new Violation("phantom", $"{name} was delivered and never sent"));
        if (entry.Ending == Ending.Confirmed && entry.Deliveries == 0 && !lane.MayLose)
            found.Add(new Violation("lost", $"{name} was confirmed and is lost"));
        bool mayArrive = entry.Ending is Ending.Open or Ending.Confirmed or Ending.Unknown
            || (entry.Ending == Ending.Nacked && lane.NackedMayArrive);
        if (!mayArrive && entry.Deliveries > 0)
            found.Add(new Violation(
                $"{entry.Ending.ToString().ToLowerInvariant()} but delivered",
                $"{name} ended as {entry.Ending} and was delivered"));
        if (!lane.MayRepeat && !lane.NewMayRepeat && entry.Fresh > 1)
            found.Add(new Violation("doubled", $"{name} was delivered {entry.Fresh} times as new"));
    }

    private IEnumerable<Entry> Entries()
        => _pages.SelectMany(pages => pages).OfType<Entry[]>().SelectMany(page => page);

    private ref Entry At(int publisher, int number)
    {
        ref Entry[]? page = ref _pages[publisher][number / PageSize];
        if (Volatile.Read(ref page) is null)
            Interlocked.CompareExchange(ref page, new Entry[PageSize], null);
        return ref page![number % PageSize];
    }

    private struct Entry
    {
        internal Ending Ending;
        internal byte Ends;
        internal byte Fresh;
        private Marks _marks;
        internal int Deliveries;
        internal int FirstSeen;
        private int _attempted;

        internal bool IsAttempted
        {
            readonly get => _attempted != 0;
            set => _attempted = value ? 1 : 0;
        }

        internal bool FirstWasRedelivered
        {
            readonly get => (_marks & Marks.FirstWasRedelivered) != 0;
            set => _marks = value ? Marks.FirstWasRedelivered : Marks.None;
        }
    }

    [Flags]
    private enum Marks : byte
    {
        None = 0,
        FirstWasRedelivered = 1,
    }
}
