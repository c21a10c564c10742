using System.Collections.Concurrent;
using System.Globalization;

namespace SafeAmqp.Faults;

/// <summary>How a call ended, as its caller saw it.</summary>
[Flags]
public enum CallEnding
{
    None = 0,
    Answered = 1,

    /// <summary>With a fault in place of a reply.</summary>
    Failed = 2,
    Returned = 4,
    Nacked = 8,
    Refused = 16,
    NotSent = 32,
    Unknown = 64,

    /// <summary>The broker had confirmed the request, and no reply came.</summary>
    NoReply = 128,

    /// <summary>With something that the library never throws.</summary>
    Broken = 256,
}

/// <summary>
/// Accounts for every call of a run and for every request that a server handled. Afterwards <see cref="Violations"/>
/// tells which calls ended never, twice or untruly, and which requests were handled though they cannot have arrived, or
/// more often than servers were lost. Any thread may record.
/// </summary>
public sealed class CallHistory
{
    private static readonly CallEnding[] Endings = Enum.GetValues<CallEnding>();

    private readonly ConcurrentDictionary<(int Caller, int Number), Call> _calls = [];
    private readonly ConcurrentQueue<Violation> _seenWrong = [];
    private readonly int[] _counts = new int[Endings.Length];
    private int _handled;

    public int Calls => _calls.Count;

    /// <summary>How often servers were given a request.</summary>
    public int Handled => Volatile.Read(ref _handled);

    public int Count(CallEnding ending) => Volatile.Read(ref _counts[Array.IndexOf(Endings, ending)]);

    /// <summary>Notes that a call begins.</summary>
    /// <param name="caller">Whose it is.</param>
    /// <param name="number">Its number, the caller's only one.</param>
    /// <param name="mayEnd">The ends that would be true.</param>
    /// <param name="mayTimeOut">Whether it may be so short that its time runs out.</param>
    /// <returns>The body of its request. Its reply is to have the same.</returns>
    public byte[] Begin(int caller, int number, CallEnding mayEnd, bool mayTimeOut)
    {
        if (!_calls.TryAdd((caller, number), new Call { MayEnd = mayEnd, MayTimeOut = mayTimeOut }))
            _seenWrong.Enqueue(new Violation("begun twice", $"call {caller}/{number}"));
        return Bodies.Make(caller, number, Bodies.MinSize);
    }

    /// <summary>Calls and records how that ended. Never throws.</summary>
    public async Task<CallEnding> CallAsync(IAmqpClient client, AmqpMessage request, AmqpCallOptions options,
        int caller, int number)
    {
        ArgumentNullException.ThrowIfNull(client);
        try
        {
            AmqpReply reply = await client.CallAsync(request, options, CancellationToken.None).ConfigureAwait(false);
            Answered(caller, number, reply.Body.Span);
            return CallEnding.Answered;
        }
        catch (Exception error)
        {
            return Ended(caller, number, error);
        }
    }

    public void Answered(int caller, int number, ReadOnlySpan<byte> reply)
    {
        if (!Bodies.TryRead(reply, out int repliedTo, out int repliedNumber)
            || (repliedTo, repliedNumber) != (caller, number))
            _seenWrong.Enqueue(new Violation(
                "another's reply", $"call {caller}/{number} has that of {repliedTo}/{repliedNumber}"));
        Ended(caller, number, CallEnding.Answered, timedOut: false, "a reply");
    }

    public CallEnding Ended(int caller, int number, Exception error)
    {
        ArgumentNullException.ThrowIfNull(error);
        CallEnding ending = error switch
        {
            AmqpRemoteException => CallEnding.Failed,
            AmqpNoReplyException { Outcome: AmqpOutcome.Confirmed } => CallEnding.NoReply,
            AmqpException { Outcome: AmqpOutcome.Returned } => CallEnding.Returned,
            AmqpException { Outcome: AmqpOutcome.Nacked } => CallEnding.Nacked,
            AmqpException { Outcome: AmqpOutcome.Refused } => CallEnding.Refused,
            AmqpException { Outcome: AmqpOutcome.NotSent } => CallEnding.NotSent,
            AmqpException { Outcome: AmqpOutcome.Unknown } => CallEnding.Unknown,
            _ => CallEnding.Broken,
        };
        Ended(caller, number, ending, error.InnerException is TimeoutException, error.ToString());
        return ending;
    }

    /// <summary>A server is given a request.</summary>
    /// <returns>Whether it is one that was made here.</returns>
    public bool Received(ReadOnlySpan<byte> request, bool redelivered)
    {
        Interlocked.Increment(ref _handled);
        if (!Bodies.TryRead(request, out int caller, out int number)
            || !_calls.TryGetValue((caller, number), out Call? call))
        {
            _seenWrong.Enqueue(new Violation("phantom", $"a request of {request.Length} bytes that was never sent"));
            return false;
        }
        Interlocked.Increment(ref call.Handled);
        if (!redelivered)
            Interlocked.Increment(ref call.HandledAsNew);
        return true;
    }

    /// <summary>The most replies to calls of these callers that can have come for no call: one each time that a request
    /// was handled, but for the one that its caller got.</summary>
    public int MostLateReplies(Func<int, bool> isOf) => _calls.Where(call => isOf(call.Key.Caller)).Sum(
        call => call.Value.Handled - (call.Value.Ending is CallEnding.Answered or CallEnding.Failed ? 1 : 0));

    /// <summary>Everything that must never be; empty when all adds up.</summary>
    /// <param name="losses">How often a channel of a server was lost.</param>
    /// <param name="prefetch">How many requests a server had at most.</param>
    public IReadOnlyList<Violation> Violations(int losses, int prefetch)
    {
        var found = new List<Violation>(_seenWrong);
        int repeats = 0;
        foreach (var ((caller, number), call) in _calls)
        {
            Examine($"{caller}/{number}", call, losses, found);
            repeats += Math.Max(0, call.Handled - 1);
        }
        if (repeats > losses * prefetch)
            found.Add(new Violation("handled too often",
                $"{repeats} times again, with {losses} channels lost and a prefetch of {prefetch}"));
        return found;
    }

    public override string ToString() => string.Join(", ", Endings.Skip(1).Select(
        ending => $"{ending} {Count(ending)}"))
        + string.Create(CultureInfo.InvariantCulture, $"; {Calls} calls, handled {Handled} times");

    private static void Examine(string name, Call call, int losses, List<Violation> found)
    {
        if (call.Ends != 1)
            found.Add(new Violation(call.Ends == 0 ? "never ended" : "ended twice", $"call {name}: {call.Ends} ends"));
        bool wasReceived = call.Ending is CallEnding.None or CallEnding.Answered or CallEnding.Failed
            or CallEnding.Unknown or CallEnding.NoReply;
        if (!wasReceived && call.Handled > 0)
            found.Add(new Violation("handled all the same", $"call {name} ended as {call.Ending} and was handled"));
        if (call is { Ending: CallEnding.Answered, Handled: 0 })
            found.Add(new Violation("answered by no server", $"call {name}"));
        if (call.HandledAsNew > 1)
            found.Add(new Violation("doubled", $"call {name} was handled {call.HandledAsNew} times as new"));
        if (call.Handled > 1 + losses)
            found.Add(new Violation("handled too often", $"call {name}: {call.Handled} times, {losses} channels lost"));
    }

    private void Ended(int caller, int number, CallEnding ending, bool timedOut, string why)
    {
        Call call = _calls[(caller, number)];
        call.Ending = ending;
        Interlocked.Increment(ref call.Ends);
        if ((call.MayEnd & ending) == 0)
            _seenWrong.Enqueue(new Violation("untrue", $"call {caller}/{number} ended as {ending}: {why}"));
        else if (timedOut && !call.MayTimeOut)
            _seenWrong.Enqueue(new Violation("timed out", $"call {caller}/{number}: {why}"));
        Interlocked.Increment(ref _counts[Array.IndexOf(Endings, ending)]);
    }

    private sealed class Call
    {
        internal int Handled;
        internal int HandledAsNew;
        internal int Ends;

        internal CallEnding MayEnd { get; init; }
        internal bool MayTimeOut { get; init; }
        internal CallEnding Ending { get; set; }
    }
}
