namespace SafeAmqp.Chaos.Tests;

/// <summary>
/// The account of calls refuses every history that is not true, by the rule that was broken. The storm of calls in the
/// integration tests uses it.
/// </summary>
public sealed class DoctoredCallHistoryTests
{
    private const CallEnding Any = CallEnding.Answered | CallEnding.NotSent | CallEnding.Unknown | CallEnding.NoReply;
    private const int Losses = 2, Prefetch = 3;

    private static readonly AmqpNotSentException NotSent = new("not sent");

    private static readonly Dictionary<string, Action<CallHistory>> Doctored = new()
    {
        ["never ended"] = history => history.Begin(1, 0, Any, mayTimeOut: false),
        ["ended twice"] = history => history.Ended(0, 2, NotSent),
        ["begun twice"] = history => history.Begin(0, 0, Any, mayTimeOut: false),
        ["another's reply"] = history => Answer(history, 1, 0, Bodies.Make(0, 0, Bodies.MinSize)),
        ["answered by no server"] = history => history.Answered(1, 0, history.Begin(1, 0, Any, mayTimeOut: false)),
        ["handled all the same"] = history => history.Received(Bodies.Make(0, 2, Bodies.MinSize), redelivered: false),
        ["phantom"] = history => history.Received(Bodies.Make(7, 7, Bodies.MinSize), redelivered: false),
        ["doubled"] = history => history.Received(Bodies.Make(0, 0, Bodies.MinSize), redelivered: false),
        ["handled too often"] = history =>
        {
            for (int i = 0; i <= Losses; i++)
                history.Received(Bodies.Make(0, 0, Bodies.MinSize), redelivered: true);
        },
        ["untrue"] = history => End(history, new AmqpReturnedException("returned")),
        ["timed out"] = history => End(
            history, new AmqpNoReplyException("none", AmqpOutcome.Confirmed, new TimeoutException())),
    };

    public static TheoryData<string> Rules => [.. Doctored.Keys];

    [Fact]
    public void A_true_history_passes()
    {
        CallHistory history = True();
        Assert.Empty(history.Violations(Losses, Prefetch));
        Assert.Equal((4, 3), (history.Calls, history.Handled));
        Assert.Equal(1, history.Count(CallEnding.Answered));
        Assert.Equal(2, history.MostLateReplies(caller => caller == 0)); // of the first, and of that without a reply
    }

    [Fact]
    public void What_was_handled_again_is_bounded_by_what_servers_had_when_they_were_lost()
    {
        CallHistory history = True();
        for (int number = 10; number < 10 + Losses * Prefetch; number++)
        {
            byte[] request = history.Begin(0, number, Any, mayTimeOut: false);
            history.Received(request, redelivered: false);
            history.Received(request, redelivered: true);
            history.Answered(0, number, request);
        }
        Assert.Equal("handled too often", Assert.Single(history.Violations(Losses, Prefetch)).Rule); // one was before
    }

    [Theory, MemberData(nameof(Rules))]
    public void A_doctored_history_is_refused_by_the_name_of_the_rule(string rule)
    {
        CallHistory history = True();
        Doctored[rule](history);
        Assert.Equal(rule, Assert.Single(history.Violations(Losses, Prefetch).Select(found => found.Rule).Distinct()));
    }

    /// <summary>
    /// One call that was answered by the second server, one without a reply, one not sent, one of unknown outcome.
    /// </summary>
    private static CallHistory True()
    {
        var history = new CallHistory();
        byte[] request = history.Begin(0, 0, Any, mayTimeOut: false);
        history.Received(request, redelivered: false);
        history.Received(request, redelivered: true);
        history.Answered(0, 0, request);
        history.Received(history.Begin(0, 1, Any, mayTimeOut: false), redelivered: false);
        history.Ended(0, 1, new AmqpNoReplyException("the link was lost", AmqpOutcome.Confirmed));
        history.Begin(0, 2, Any, mayTimeOut: true);
        history.Ended(0, 2, new AmqpNotSentException("too late", new TimeoutException()));
        history.Begin(0, 3, Any, mayTimeOut: true);
        history.Ended(0, 3, new AmqpUnknownOutcomeException("too late", new TimeoutException()));
        return history;
    }

    private static void Answer(CallHistory history, int caller, int number, byte[] reply)
    {
        history.Received(history.Begin(caller, number, Any, mayTimeOut: false), redelivered: false);
        history.Answered(caller, number, reply);
    }

    private static void End(CallHistory history, Exception error)
    {
        history.Begin(1, 0, Any, mayTimeOut: false);
        history.Ended(1, 0, error);
    }
}
