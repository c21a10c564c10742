using SafeAmqp.Simulation.Runs;
using static SafeAmqp.Simulation.Checking.ViolationException;

namespace SafeAmqp.Simulation.Brokers;

// What the actor must do, and may do only then, when the broker sends heartbeats and does not read any more.
internal sealed partial class SimulatedBroker
{
    /// <summary>So long nothing has to be answered before the actor asks.</summary>
    private static readonly long Silence = TimeSpan.FromSeconds(5).Ticks;

    /// <summary>So long a question has to be unanswered, while the broker is seen to live.</summary>
    private static readonly long Unheard = TimeSpan.FromSeconds(8).Ticks;

    /// <summary>How much later the actor may look.</summary>
    private static readonly long Look = TimeSpan.FromSeconds(1).Ticks;

    private void CheckHearing(SimulatedConnection connection)
    {
        if (connection is { HeardBlocked: true } or { IsFrozen: true } or { IsStarved: true } or { IsCut: true })
            return;
        // A question begins to count anew when the reason for no answer is over.
        long excused = Math.Max(connection.StarvedUntil, Math.Max(connection.ThawedAt, connection.HeardUnblockedAt));
        Require(
            connection.OpenAskedAt is not { } asked
                || world.Now <= Math.Max(asked, excused) + Unheard + Look + Tolerance,
            "a link that the broker does not read any more is not noticed");
        if (world.State != AmqpLinkState.Open)
            return;
        foreach (SimulatedChannel channel in connection.Channels)
            Require(!channel.Confirms || !channel.HeardReady || channel.IsKnownGone || channel.Outstanding.Count == 0
                || world.Now <= Math.Max(channel.HeardAt, excused) + Silence + Unheard + 2 * Look + Tolerance,
                "a channel on which the broker answers nothing is not noticed");
    }

    private void Probe(SimulatedChannel channel)
    {
        if (channel.Serves)
        {
            Require(!IsWorkedOff(channel), "the broker is asked whether it has worked off what is not in doubt");
            channel.Serving.Asked = channel.Serving.InDoubt;
            channel.Serving.AskedAt = world.Now;
            return;
        }
        Require(
            channel.Confirms && channel.Outstanding.Count > 0 && world.Now >= channel.HeardAt + Silence,
            "the broker is asked whether it hears without need");
        channel.AskedAt = world.Now;
    }

    private bool IsUnheard(SimulatedConnection connection, long? asked)
        => !connection.HeardBlocked && asked is { } since && world.Now - since >= Unheard;
}
