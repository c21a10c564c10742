using SafeAmqp.Simulation.Checking;

namespace SafeAmqp.Simulation.Tests;

/// <summary>The checker of histories accepts a true one and refuses each that was tampered with.</summary>
public sealed class DoctoredHistoryTests
{
    private const long Deadline = 1_000_000_000;
    private const long Closing = 900_000_000;

    [Fact]
    public void A_true_history_passes() => Check(True());

    [Theory]
    [InlineData("a confirmed one is lost", "no queue has it")]
    [InlineData("a confirmed one was not confirmed", "did not confirm it")]
    [InlineData("one ended twice", "2 times")]
    [InlineData("one ended too late", "after its deadline")]
    [InlineData("one did not end", "did not end")]
    [InlineData("one is stored and was never sent", "was sent 0 times")]
    [InlineData("one is stored more often than it was sent", "stored 2 times")]
    [InlineData("two changed places", "overtook another")]
    [InlineData("a cancelled one was sent", "and was passed on")]
    [InlineData("one ended as cancelled without a cancellation", "it was never cancelled")]
    [InlineData("one that was not sent was sent", "and was passed on")]
    [InlineData("one was not sent without a reason", "without a reason")]
    [InlineData("a returned one is stored", "is stored 1 times")]
    [InlineData("a returned one was not returned", "did not return it")]
    [InlineData("a nacked one is stored", "is stored 1 times")]
    [InlineData("a refused one is stored", "is stored 1 times")]
    [InlineData("one was refused by the default exchange", "refuses nothing")]
    [InlineData("one is unknown without a reason", "nothing had happened")]
    [InlineData("one is unknown and was never sent", "was not passed on")]
    [InlineData("one was sent again without being asked to", "was sent 2 times")]
    [InlineData("a call got another's reply", "with the reply to 4711")]
    [InlineData("a call got a reply that was never sent", "no reply was sent")]
    [InlineData("a call to a fixed queue was given up", "a reply could still come")]
    [InlineData("one ended as disposed without a disposal", "nothing had been disposed")]
    public void A_doctored_history_is_refused(string doctoring, string because)
    {
        List<Attempt> history = True();
        Doctor(history, doctoring);
        var refusal = Assert.Throws<ViolationException>(() => Check(history));
        Assert.Contains(because, refusal.Message, StringComparison.Ordinal);
    }

    // One of each end, all by one publisher.
    private static List<Attempt> True()
    {
        List<Attempt> history =
        [
            Ended(0, End.Confirmed, passes: 1, stored: 1, storedAt: 1),
            Ended(1, End.Confirmed, passes: 1, stored: 1, storedAt: 2),
            Ended(2, End.Cancelled),
            Ended(3, End.NotSent, endedAt: Deadline),
            Ended(4, End.Returned, passes: 1),
            Ended(5, End.Nacked, passes: 1),
            Ended(6, End.Refused, passes: 1, exchange: "missing"),
            Ended(7, End.Unknown, passes: 1, stored: 1, storedAt: 3),
            Ended(8, End.Replied, passes: 1, stored: 1, storedAt: 4, kind: Kind.Call),
            Ended(9, End.NoReplyToConfirmed, passes: 1, stored: 1, storedAt: 5, kind: Kind.CallToFixedQueue,
                endedAt: Deadline),
            Ended(10, End.Disposed, endedAt: Closing),
            Ended(11, End.Posted, passes: 1, stored: 1, storedAt: 6, kind: Kind.Post),
        ];
        history[2].IsCancelled = true;
        history[4].Returns = history[5].Nacks = history[8].Replies = 1;
        history[6].WasRefused = history[7].LostItsChannel = true;
        history[8].ReplyOf = 8;
        return history;
    }

    private static void Doctor(List<Attempt> history, string doctoring)
    {
        switch (doctoring)
        {
            case "a confirmed one is lost": history[1].Stored = 0; break;
            case "a confirmed one was not confirmed": history[1].Acks = 0; break;
            case "one ended twice": history[1].Ends = 2; break;
            case "one ended too late": history[1].EndedAt = Deadline + HistoryChecker.Tolerance + 1; break;
            case "one did not end": history[1].End = End.Pending; break;
            case "one is stored and was never sent":
                history[3].Stored = 1;
                history[3].End = End.Cancelled;
                history[3].Kind = Kind.Call;
                history[3].IsCancelled = true;
                break;
            case "one is stored more often than it was sent": history[1].Stored = 2; break;
            case "two changed places":
                (history[0].StoredAt, history[1].StoredAt) = (history[1].StoredAt, history[0].StoredAt);
                break;
            case "a cancelled one was sent": history[2].Passes.Add(1); break;
            case "one ended as cancelled without a cancellation": history[2].IsCancelled = false; break;
            case "one that was not sent was sent": history[3].Passes.Add(1); break;
            case "one was not sent without a reason": history[3].EndedAt = 1; break;
            case "a returned one is stored": history[4].Stored = 1; break;
            case "a returned one was not returned": history[4].Returns = 0; break;
            case "a nacked one is stored": history[5].Stored = 1; break;
            case "a refused one is stored": history[6].Stored = 1; break;
            case "one was refused by the default exchange": history.Add(Ended(12, End.Refused, passes: 1)); break;
            case "one is unknown without a reason": history[7].LostItsChannel = false; break;
            case "one is unknown and was never sent": history[7].Passes.Clear(); break;
            case "one was sent again without being asked to": history[1].Passes.Add(2); break;
            case "a call got another's reply": history[8].ReplyOf = 4711; break;
            case "a call got a reply that was never sent": history[8].Replies = 0; break;
            case "a call to a fixed queue was given up":
                history[9].EndedAt = 1;
                history[9].LostItsChannel = true;
                break;
            case "one ended as disposed without a disposal": history[10].EndedAt = Closing - 1; break;
            default: throw new ArgumentOutOfRangeException(nameof(doctoring), doctoring, null);
        }
    }

    private static Attempt Ended(int id, End end, int passes = 0, int stored = 0, long storedAt = 0,
        string exchange = "", Kind kind = Kind.Publish, long endedAt = 100)
    {
        var attempt = new Attempt
        {
            Id = id,
            Publisher = 1,
            Exchange = exchange,
            Deadline = Deadline,
            Accepted = id + 1,
            Kind = kind
        };
        (attempt.End, attempt.EndedAt, attempt.Ends) = (end, endedAt, 1);
        (attempt.Stored, attempt.StoredAt, attempt.Acks) = (stored, storedAt, stored);
        for (int i = 0; i < passes; i++)
            attempt.Passes.Add(1);
        return attempt;
    }

    private static void Check(List<Attempt> history)
    {
        var checker = new HistoryChecker(() => Closing, republishes: false);
        history.FindAll(attempt => attempt.End != End.Pending).ForEach(checker.CheckEnded);
        checker.CheckWhole(history);
    }
}
