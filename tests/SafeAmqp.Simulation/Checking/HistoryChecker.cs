using static SafeAmqp.Simulation.Checking.ViolationException;

namespace SafeAmqp.Simulation.Checking;

/// <summary>
/// What must be true of every history of messages, whatever went wrong: nothing confirmed is lost, each end tells the
/// truth, order is kept among what is certain. Pure: it sees only <see cref="Attempt"/>s, so that doctored histories
/// can be shown to it.
/// </summary>
/// <param name="closingSince">When closing began; <see cref="long.MaxValue"/> when it has not.</param>
/// <param name="republishes">Whether a publish whose outcome is not known may be sent again.</param>
internal sealed class HistoryChecker(Func<long> closingSince, bool republishes)
{
    /// <summary>An operation ends within its deadline and so much more.</summary>
    internal static readonly long Tolerance = TimeSpan.FromMilliseconds(250).Ticks;

    /// <summary>Exchanges that a simulated broker refuses, always or at times.</summary>
    private static readonly string[] Refusable = ["missing", "secret", "news", "declared"];

    /// <summary>Looks at one attempt when it has ended.</summary>
    internal void CheckEnded(Attempt attempt)
    {
        string it = $"attempt {attempt.Id} ended {attempt.End}";
        bool wasPassed = attempt.Passes.Count > 0;
        bool isLate = attempt.EndedAt >= attempt.Deadline;
        bool isClosing = attempt.EndedAt >= closingSince();
        Require(attempt.Ends == 1, $"{it}, {attempt.Ends} times");
        Require(attempt.EndedAt <= attempt.Deadline + Tolerance, $"{it} after its deadline");
        Require(
            attempt.Passes.Count <= 1 || (republishes && attempt.Kind == Kind.Publish),
            $"{it}, and was sent {attempt.Passes.Count} times");
        switch (attempt.End)
        {
            case End.Confirmed:
                Require(attempt.Kind == Kind.Publish, $"{it}, and is no publish");
                Require(attempt.Acks > 0, $"{it}, and the broker did not confirm it");
                Require(attempt.Stored > 0 || !attempt.IsMandatory, $"{it}, and no queue has it");
                break;
            case End.Posted:
                Require(wasPassed && attempt.Kind == Kind.Post, $"{it}, and was not passed on");
                break;
            case End.Replied or End.RemoteFault:
                Require(attempt.IsCall && wasPassed, $"{it}, and its request had not left");
                Require(attempt.Replies > 0 || attempt.HasGuessableId, $"{it}, and no reply was sent");
                Require(
                    attempt.ReplyOf == attempt.Id || attempt.End == End.RemoteFault || attempt.HasGuessableId,
                    $"{it} with the reply to {attempt.ReplyOf}");
                break;
            case End.Cancelled:
                Require(attempt.IsCancelled, $"{it}, and it was never cancelled");
                Require(!wasPassed || attempt.IsCall, $"{it}, and was passed on");
                break;
            case End.NotSent:
                Require(!wasPassed, $"{it}, and was passed on");
                Require(
                    isLate || isClosing || attempt.HasGuessableId || (attempt.IsCancelled && attempt.Accepted == 0),
                    $"{it} without a reason");
                break;
            case End.Disposed:
                Require(!wasPassed, $"{it}, and was passed on");
                Require(isClosing, $"{it}, and nothing had been disposed");
                break;
            case End.Returned:
                Require(attempt.Returns > 0 && attempt.IsMandatory, $"{it}, and the broker did not return it");
                break;
            case End.Nacked:
                Require(attempt.Nacks > 0, $"{it}, and the broker did not nack it");
                break;
            case End.Refused:
                Require(
                    Refusable.Contains(attempt.Exchange) || attempt.IsUnencodable || attempt.IsBlamed,
                    $"{it}, and exchange '{attempt.Exchange}' refuses nothing");
                Require(
                    attempt.WasRefused || attempt.IsBlamed || !wasPassed, $"{it}, and the broker did not refuse it");
                break;
            case End.Unknown:
                Require(wasPassed, $"{it}, and was not passed on");
                Require(attempt.Kind != Kind.CallToFixedQueue, $"{it}, and a reply could still come");
                Require(isLate || isClosing || attempt.LostItsChannel, $"{it}, and nothing had happened");
                break;
            case End.NoReplyToUnknown or End.NoReplyToConfirmed:
                Require(wasPassed && attempt.IsCall, $"{it}, and was not passed on");
                Require(
                    isLate || isClosing || (attempt.Kind == Kind.Call && attempt.LostItsChannel),
                    $"{it}, and a reply could still come");
                Require(
                    attempt.End == End.NoReplyToUnknown || attempt.Acks > 0,
                    $"{it}, and the broker did not confirm it");
                break;
        }
    }

    /// <summary>Looks at all of them when nothing can happen any more.</summary>
    internal void CheckWhole(IReadOnlyList<Attempt> attempts)
    {
        foreach (Attempt attempt in attempts)
        {
            Require(attempt.End != End.Pending, $"attempt {attempt.Id} did not end");
            bool cannotHaveArrived = attempt.End is End.Returned or End.Nacked or End.Refused or End.NotSent
                or End.Disposed
                || (attempt.End == End.Cancelled && !attempt.IsCall);
            Require(
                !cannotHaveArrived || attempt.Stored == 0 || attempt is { End: End.Refused, IsBlamed: true },
                $"attempt {attempt.Id} ended {attempt.End}, and is stored {attempt.Stored} times");
            Require(
                attempt.Stored <= attempt.Passes.Count,
                $"attempt {attempt.Id} is stored {attempt.Stored} times, and was sent {attempt.Passes.Count} times");
        }
        // What waits for a declaration is passed by what goes to other exchanges.
        foreach (var publisher in attempts.Where(attempt => attempt.Kind == Kind.Publish)
            .GroupBy(attempt => (attempt.Publisher, Waits: attempt.Exchange == "declared")))
            CheckOrder(publisher);
    }

    // What goes again keeps its order among what goes with it on the same channel; what was confirmed on the lost one
    // stays before it.
    private static void CheckOrder(IEnumerable<Attempt> ofOnePublisher)
    {
        long last = 0;
        var lastOn = new Dictionary<long, long>();
        foreach (Attempt attempt in ofOnePublisher)
        {
            if (attempt.End == End.Unknown)
            {
                last = 0;
                lastOn.Clear();
            }
            if (attempt.End != End.Confirmed || attempt.StoredAt == 0)
                continue;
            bool isRepeated = attempt.Passes.Count > 1;
            Require(attempt.StoredAt > lastOn.GetValueOrDefault(attempt.Passes[^1])
                && (isRepeated || attempt.StoredAt > last),
                $"attempt {attempt.Id} overtook another of its publisher");
            lastOn[attempt.Passes[^1]] = attempt.StoredAt;
            if (!isRepeated)
                last = attempt.StoredAt;
        }
    }
}
