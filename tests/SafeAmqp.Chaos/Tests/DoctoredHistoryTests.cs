using SafeAmqp.Chaos.Checking;
using SafeAmqp.Chaos.Faults;

namespace SafeAmqp.Chaos.Tests;

/// <summary>
/// The checker refuses every history that is not true, and by the rule that was broken. The same account serves the
/// storms of the integration tests.
/// </summary>
public sealed class DoctoredHistoryTests
{
    private static readonly RunExpectations Little =
        new() { Kinds = 1, Confirmed = 1, Answered = 1, MessagesEach = 1000 };

    /// <summary>A run of two lanes and a call, with one fault that had its effect.</summary>
    private static List<HistoryEvent> True() =>
    [
        new() { What = What.Begin, Lanes = [new Lane(), new Lane { MayRepeat = true }] },
        .. Message(0, 0),
        new() { What = What.FaultBegin, Text = "reset", Number = 1 },
        new() { What = What.Attempt, Lane = 0, Number = 1 },
        new() { What = What.LinkLost, Text = "anna:send" },
        new() { What = What.End, Lane = 0, Number = 1, Ended = Ending.Unknown },
        .. Message(0, 2),
        new() { What = What.LinkOpen, Text = "anna:send" },
        new() { What = What.FaultEnd, Text = "reset", Number = 1, Flag = true },
        .. Message(0, 3),
        .. Message(0, 4),
        .. Message(1, 0),
        Delivered(1, 0), // published again by its client
        new() { What = What.Call, Number = 1 },
        new() { What = What.Answer, Number = 1, Ended = Ending.Confirmed, Value = 1 },
        new() { What = What.Disposed, Text = "anna", Value = 100, Number = 250 },
        new() { What = What.Connections, Value = 9, Number = 9 },
        new() { What = What.Memory, Value = 1000 },
        new() { What = What.Done },
    ];

    [Fact]
    public void A_true_history_passes() => Assert.Empty(Check(True()));

    [Fact]
    public void A_delivery_repeated_by_the_broker_and_marked_so_passes()
        => Assert.Empty(Check([.. True(), Delivered(0, 3, redelivered: true)]));

    [Fact]
    public void What_was_given_back_may_come_behind_newer_ones()
        => Assert.Empty(Check([.. Without(True(), What.Deliver, 0, 3), Delivered(0, 3, redelivered: true)]));

    [Fact]
    public void A_message_of_unknown_outcome_may_have_arrived_and_ends_the_promise_of_order()
        => Assert.Empty(Check([.. True(), Delivered(0, 1)]));

    [Fact]
    public void A_history_is_the_same_after_it_was_written_and_read()
    {
        string file = Path.GetTempFileName();
        File.WriteAllLines(file, True().Select(line => line.ToLine()));
        RunChecker checker = HistoryFile.Check(file, Little);
        File.Delete(file);
        Assert.Empty(checker.Violations());
        Assert.Equal((6, 6), (checker.Messages.Attempts, checker.Messages.Deliveries));
    }

    [Fact]
    public void A_consumer_that_the_broker_forgot_is_counted_and_what_it_was_kept_from_may_come_with_the_next_link()
    {
        RunChecker checker = Checked(Forgetting());
        Assert.Empty(checker.Violations());
        Assert.StartsWith(
            "anna:receive: chaos.doomed", Assert.Single(checker.ForgottenByTheBroker), StringComparison.Ordinal);
    }

    [Fact]
    public void A_message_that_does_not_come_with_the_next_link_either_is_lost_whatever_was_forgotten()
        => Assert.Equal("lost", Assert.Single(Check(Without(Forgetting(), What.Deliver, 0, 5))).Rule);

    [Fact]
    public void Queues_that_do_not_get_empty_with_the_next_link_either_are_no_end_whatever_was_forgotten()
        => Assert.Equal("unfinished", Assert.Single(Check(Forgetting().Where(line => line.What != What.Done))).Rule);

    [Fact]
    public void A_consumer_that_waits_though_no_queue_was_deleted_is_not_the_brokers_fault()
        => Assert.Contains(
            "forgotten without cause",
            Check(Forgetting().Where(line => line.Text != FaultKind.QueueDeleted)).Select(violation => violation.Rule));

    /// <summary>
    /// A true history in which the broker forgets a consumer over a deleted queue, without any other effect.
    /// </summary>
    private static List<HistoryEvent> Forgetting() =>
    [
        .. True().Where(line => line.What != What.Done),
        new() { What = What.FaultBegin, Text = FaultKind.QueueDeleted, Number = 2 },
        new() { What = What.FaultEnd, Text = FaultKind.QueueDeleted, Number = 2 },
        new() { What = What.Attempt, Lane = 0, Number = 5 },
        Ended(0, 5, Ending.Confirmed),
        new() { What = What.Forgotten, Text = "anna:receive: chaos.doomed: 0 messages ready, 1 handed out" },
        new() { What = What.LinkLost, Text = "anna:receive: 320" },
        new() { What = What.LinkOpen, Text = "anna:receive" },
        Delivered(0, 5, redelivered: true),
        new() { What = What.Done },
    ];

    public static TheoryData<string> Doctorings => [.. Doctored.Keys];

    [Theory]
    [MemberData(nameof(Doctorings))]
    public void A_doctored_history_is_refused_by_the_name_of_the_rule(string rule)
    {
        IReadOnlyList<Violation> found = Check(Doctored[rule](True()));
        Assert.Equal(rule, Assert.Single(found.Select(violation => violation.Rule).Distinct()));
    }

    private static readonly Dictionary<string, Func<List<HistoryEvent>, IEnumerable<HistoryEvent>>> Doctored = new()
    {
        ["lost"] = history => Without(history, What.Deliver, 0, 3),
        ["phantom"] = history => [.. history, Delivered(0, 77)],
        ["garbled"] = history => [.. history, new HistoryEvent { What = What.Garbled, Text = "three bytes" }],
        ["doubled"] = history => [.. history, Delivered(0, 3)],
        ["swapped"] = history => [.. Without(history, What.Deliver, 0, 3), Delivered(0, 3)],
        ["ended twice"] = history => [.. history, Ended(0, 3, Ending.Confirmed)],
        ["never ended"] = history => Without(Without(history, What.Deliver, 0, 3), What.End, 0, 3),
        ["broken"] = history => [.. history, .. Ends(0, 9, Ending.Broken)],
        ["cancelled but delivered"] = history => [.. history, .. Ends(0, 9, Ending.Cancelled), Delivered(0, 9)],
        ["notsent but delivered"] = history => [.. history, .. Ends(0, 9, Ending.NotSent), Delivered(0, 9)],
        ["returned but delivered"] = history => [.. history, .. Ends(0, 9, Ending.Returned), Delivered(0, 9)],
        ["refused but delivered"] = history => [.. history, .. Ends(0, 9, Ending.Refused), Delivered(0, 9)],
        ["nacked but delivered"] = history => [.. history, .. Ends(0, 9, Ending.Nacked), Delivered(0, 9)],
        ["disposed but delivered"] = history => [.. history, .. Ends(0, 9, Ending.Disposed), Delivered(0, 9)],
        ["late"] = history => history.Select(line => line.What == What.End ? line with { Value = 300 } : line),
        ["call never ended"] = history => [.. history, new HistoryEvent { What = What.Call, Number = 2 }],
        ["call ended twice"] = history => [
            .. history, new HistoryEvent { What = What.Answer, Number = 1, Ended = Ending.Unknown }],
        ["call never made"] = history => [
            .. history, new HistoryEvent { What = What.Answer, Number = 2, Ended = Ending.Unknown }],
        ["wrong reply"] = history => history.Select(line => line.What == What.Answer ? line with { Value = 2 } : line),
        // Its link was made again after the deletion: whatever the broker did before is over.
        ["forgotten without cause"] = _ => Forgetting().SelectMany(line => line.What == What.Forgotten
            ? (HistoryEvent[])[new() { What = What.LinkOpen, Text = "anna:receive" }, line]
            : [line])
            .Select(line => line.What == What.FaultEnd ? line with { Flag = true } : line),
        ["broker's log"] = history => [
            .. history, new HistoryEvent { What = What.BrokerSaid, Text = "unknown delivery tag 5" }],
        ["secret"] = history => [.. history, new HistoryEvent { What = What.Secret, Text = "a log line" }],
        ["unexpected"] = history => [
            .. history, new HistoryEvent { What = What.Unexpected, Text = "an I/O thread crashed" }],
        ["stuck"] = history => [.. history, new HistoryEvent { What = What.Stuck, Text = "anna" }],
        ["connections"] = history =>
            history.Select(line => line.What == What.Connections ? line with { Value = 10 } : line),
        ["memory"] = history =>
            history.Select(line => line.What == What.Memory ? line with { Value = 100 << 20 } : line),
        ["dispose"] = history => history.Select(line => line.What == What.Disposed ? line with { Value = 6000 } : line),
        ["unfinished"] = history => history.Where(line => line.What != What.Done),
        // A run that proves nothing is refused as well.
        ["fault without effect"] = history =>
            history.Select(line => line.What == What.FaultEnd ? line with { Flag = false } : line),
        ["nothing lost"] = history => Without(history.Where(line => line.What != What.LinkLost), What.End, 0, 1)
            .Append(Ended(0, 1, Ending.NotSent)),
        ["idle during faults"] = history => Without(
            Without(Without(history, What.Attempt, 0, 2), What.End, 0, 2), What.Deliver, 0, 2),
        ["idle after faults"] = history => [.. history, new HistoryEvent { What = What.FaultBegin, Text = "reset" },
            new HistoryEvent { What = What.FaultEnd, Text = "reset", Flag = true }],
        ["idle callers"] = history => history.Where(line => line.What is not (What.Call or What.Answer)),
    };

    [Fact]
    public void A_run_of_too_few_kinds_of_fault_is_refused()
        => Assert.Equal("too few faults", Assert.Single(Check(True(), Little with { Kinds = 2 })).Rule);

    private static IReadOnlyList<Violation> Check(
        IEnumerable<HistoryEvent> history,
        RunExpectations? expectations = null) => Checked(history, expectations).Violations();

    private static RunChecker Checked(IEnumerable<HistoryEvent> history, RunExpectations? expectations = null)
    {
        var checker = new RunChecker(expectations ?? Little);
        foreach (HistoryEvent line in history)
            checker.Apply(HistoryEvent.Parse(line.ToLine()));
        return checker;
    }

    private static IEnumerable<HistoryEvent> Message(int lane, int number)
        => [new() { What = What.Attempt, Lane = lane, Number = number }, Delivered(lane, number), Ended(
            lane, number, Ending.Confirmed)];

    private static IEnumerable<HistoryEvent> Ends(int lane, int number, Ending ending)
        => [new() { What = What.Attempt, Lane = lane, Number = number }, Ended(lane, number, ending)];

    private static HistoryEvent Ended(int lane, int number, Ending ending)
        => new() { What = What.End, Lane = lane, Number = number, Ended = ending };

    private static HistoryEvent Delivered(int lane, int number, bool redelivered = false)
        => new() { What = What.Deliver, Lane = lane, Number = number, Flag = redelivered };

    private static IEnumerable<HistoryEvent> Without(IEnumerable<HistoryEvent> history, What what, int lane, int number)
        => history.Where(line => !(line.What == what && line.Lane == lane && line.Number == number));
}
