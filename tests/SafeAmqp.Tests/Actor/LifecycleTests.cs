using SafeAmqp.Actor;
using static SafeAmqp.AmqpLinkState;

namespace SafeAmqp.Tests.Actor;

public sealed class LifecycleTests
{
    [Fact]
    public void Every_pair_of_states_is_decided()
    {
        HashSet<(AmqpLinkState, AmqpLinkState)> allowed =
        [
            (Idle, Connecting), (Idle, Closing), (Idle, Closed),
            (Connecting, Preparing), (Connecting, Waiting), (Connecting, Closing), (Connecting, Closed),
            (Preparing, Open), (Preparing, Waiting), (Preparing, Closing), (Preparing, Closed),
            (Open, Waiting), (Open, Closing), (Open, Closed),
            (Waiting, Connecting), (Waiting, Closing), (Waiting, Closed),
            (Closing, Closed),
        ];
        foreach (AmqpLinkState from in Enum.GetValues<AmqpLinkState>())
            foreach (AmqpLinkState to in Enum.GetValues<AmqpLinkState>())
                Assert.True(allowed.Contains((from, to)) == Lifecycle.Allows(from, to), $"{from} to {to}");
    }
}
