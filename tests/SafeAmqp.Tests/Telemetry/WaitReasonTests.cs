using SafeAmqp.Actor;
using SafeAmqp.Publishing;
using SafeAmqp.Telemetry;
using SafeAmqp.Tests.Actor;

namespace SafeAmqp.Tests.Telemetry;

public sealed class WaitReasonTests
{
    private static readonly AmqpLinkStatus Open = new()
    {
        Name = "send",
        State = AmqpLinkState.Open,
        LastReceived = TimeSpan.FromMilliseconds(3)
    };

    private static readonly Dictionary<string, (AmqpLinkStatus Link, string NotSent, string NotAnswered)> Table = new()
    {
        ["not begun"] = (
            Open with { State = AmqpLinkState.Idle }, "has not begun to connect", "has not begun to connect"),
        ["first attempt"] = (
            Open with { State = AmqpLinkState.Connecting, NotOpenFor = TimeSpan.FromSeconds(3), Host = "b:5672" },
            "no open connection to the broker for 3.0 s (b:5672 has not answered yet)",
            "no open connection"),
        ["away"] = (Open with
        {
            State = AmqpLinkState.Waiting,
            NotOpenFor = TimeSpan.FromSeconds(31),
            InState = TimeSpan.FromSeconds(1),
            LastError = "reset"
        }, "no open connection to the broker for 31.0 s (last error: reset)", "no open connection"),
        ["blocked"] = (
            Open with { BlockedReason = "low on memory", BlockedFor = TimeSpan.FromSeconds(29.8) },
            "connection blocked by broker (low on memory) for 29.8 s",
            "connection blocked by broker (low on memory) for 29.8 s"),
        ["window full"] = (
            Open with { UnconfirmedMessages = 4096 },
            "the broker has not answered 4096 messages that were sent before it",
            "the broker is there and did not answer for it"),
        ["silent"] = (
            Open with { UnconfirmedMessages = 7, LastReceived = TimeSpan.FromSeconds(12) },
            "7 messages that were sent before it, and nothing was received from the broker for 12.0 s",
            "nothing was received from the broker for 12.0 s"),
        ["closing"] = (Open with { State = AmqpLinkState.Closing }, "closes its connection", "closes its connection"),
        ["nothing wrong"] = (Open, "its turn did not come, though the link was open", "the broker is there"),
    };

    public static TheoryData<string> States => [.. Table.Keys];

    [Theory]
    [MemberData(nameof(States))]
    public void A_state_says_why(string state)
    {
        var status = new AmqpClientStatus([Table[state].Link]);
        Assert.Contains(Table[state].NotSent, WaitReason.NotSent(status), StringComparison.Ordinal);
        Assert.Contains(Table[state].NotAnswered, WaitReason.NotAnswered(status), StringComparison.Ordinal);
        Assert.NotEmpty(WaitReason.NotReplied(status));
        Assert.NotEmpty(WaitReason.NotDone(status));
    }

    [Fact]
    public void What_times_out_in_a_line_says_how_many_stood_before_it_and_behind_it()
    {
        AmqpClientStatus Status()
            => new([Open with { BlockedReason = "low on memory", BlockedFor = TimeSpan.FromSeconds(1) }]);
        var bench = new ActorBench(snapshot: Status);
        bench.Open();
        bench.Post(new BrokerSignal.Blocked(bench.Actor.Epoch, "low on memory"));
        for (int i = 0; i < 3; i++)
            bench.Publish(timeout: ActorBench.S(60));
        PublishJob impatient = bench.Publish(timeout: ActorBench.S(1));
        bench.Publish(timeout: ActorBench.S(60));
        bench.Wait(ActorBench.S(2));

        var error = Assert.Throws<AmqpNotSentException>(() => impatient.Task.GetAwaiter().GetResult());
        Assert.Contains("timed out after 1.0 s: connection blocked by broker (low on memory) for 1.0 s; 3 jobs "
            + "before it, 1 behind it", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_links_gauges_sum_its_time_without_connection_its_recoveries_and_its_time_blocked()
    {
        var bench = new ActorBench();
        bench.Connect();
        bench.Wait(ActorBench.S(2));
        Assert.Equal(ActorBench.S(2), Look().NotOpenFor);
        bench.Opened(bench.Link.Admin);
        bench.Opened(bench.Link.Lane);
        Assert.Equal((AmqpLinkState.Open, null, 0L), (Look().State, Look().NotOpenFor, bench.Actor.Recoveries));

        bench.Post(new BrokerSignal.Blocked(bench.Actor.Epoch, "low on memory"));
        bench.Wait(ActorBench.S(3));
        Assert.Equal(ActorBench.S(3), bench.Actor.Blocked(bench.Now));
        bench.LoseLink();
        Assert.Equal(ActorBench.S(3), bench.Actor.Blocked(bench.Now));
        Assert.Equal(TimeSpan.Zero, Look().NotOpenFor);
        bench.Wait(ActorBench.S(5));
        Assert.Equal(ActorBench.S(5), Look().NotOpenFor); // over the states of the attempt
        bench.Connected();
        bench.Opened(bench.Link.Admin);
        bench.Opened(bench.Link.Lane);
        Assert.Equal((AmqpLinkState.Open, null, 1L), (Look().State, Look().NotOpenFor, bench.Actor.Recoveries));

        AmqpLinkStatus Look() => bench.Actor.Status(bench.Now, [], 0);
    }
}
