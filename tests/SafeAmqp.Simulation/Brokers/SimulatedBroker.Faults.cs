using SafeAmqp.Actor;
using SafeAmqp.Simulation.Runs;

namespace SafeAmqp.Simulation.Brokers;

// What goes wrong.
internal sealed partial class SimulatedBroker
{
    private long _leaderlessUntil;
    private long _refusingUntil;
    private long _awayUntil;

    /// <summary>Lets the faults of one moment happen.</summary>
    internal void Misbehave(double seconds)
    {
        if (Current is not { IsUp: true, IsDead: false } connection)
            return;
        bool Happens(Fault fault) => Chance(Scenario[fault] * seconds);

        if (Happens(Fault.Cuts))
            Cut(connection);
        else if (Happens(Fault.Restarts))
            Restart(connection);
        else if (Happens(Fault.Refusals))
            Refuse(connection);
        else if (Happens(Fault.ConnectionCloses))
            CloseByBroker(connection, dice.Pick(320, 541, 501, 504), dice.Pick(
                "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'", "INTERNAL_ERROR"));
        else if (!connection.IsFrozen && Happens(Fault.Freezes))
            Freeze(connection);
        else if (!connection.IsBlocked && Happens(Fault.Blocks))
            Block(connection);
        else if (!connection.IsStarved && Happens(Fault.Starvation))
            Starve(connection);
        if (Happens(Fault.Stalls))
            connection.SlowUntil = world.Now + Ms(2_000);
        if (Happens(Fault.Deafness))
            Deafen(connection);
        if (Happens(Fault.LeaderLosses))
            LoseLeader(connection);
        if (Happens(Fault.ExchangeLosses) && _exchanges.Remove("news"))
        {
            world.Note("exchange news is gone");
            world.After(Ms(1500), () => _exchanges.Add("news"));
        }
        if (Happens(Fault.ChannelErrors) && Pick(connection, channel => channel.BrokerOpen) is { } broken)
            CloseByBroker(broken, dice.Pick(541, 504, 501), "INTERNAL_ERROR");
        if (Happens(Fault.ConsumerCancels)
            && Pick(connection, channel => channel is { Consumes: true, IsDirect: false }) is { } consumer)
            LoseQueue(consumer);
    }

    /// <summary>
    /// Ends all faults: from now on everything works. A channel that names a dead leader goes on doing so.
    /// </summary>
    internal void Heal()
    {
        IsHealed = true;
        _leaderlessUntil = 0;
        _exchanges.UnionWith(["news", "orders"]);
        _queues.UnionWith(Lasting);
        if (Current is not { } connection)
            return;
        connection.SlowUntil = 0;
        EndStarvation(connection);
        Thaw(connection);
        Unblock(connection);
    }

    private void Cut(SimulatedConnection connection)
    {
        world.Note("cut", connection.Epoch);
        world.Count("links lost");
        End(connection);
        if (!Chance(0.1))
            Report(connection, new CloseReason(0, "reset", ByBroker: false));
        else // the watchdog notices, or it is told at last, when it may have the next link
            world.After(Ms(30_000), () => Report(connection, new CloseReason(0, "timed out", ByBroker: false)));
    }

    private void CloseByBroker(SimulatedConnection connection, int code, string text)
    {
        if (connection.IsDead)
            return;
        world.Note("broker closes connection", connection.Epoch, code);
        world.Count("links closed by the broker");
        End(connection);
        Report(connection, new CloseReason(code, text, ByBroker: true));
    }

    private void End(SimulatedConnection connection)
    {
        if (!connection.IsFrozen && !connection.IsStarved)
            connection.LastHeard = world.Now;
        connection.IsCut = true;
        connection.LandsLate = Chance(0.5);
        connection.AnswersLost = Chance(0.5);
        Forget(connection);
    }

    private void Report(SimulatedConnection connection, CloseReason end) => world.After(Latency(), () =>
    {
        connection.WasReportedLost = true;
        world.Post(new BrokerSignal.LinkLost(connection.Epoch, end));
    });

    // What is not durable is gone, and the broker does not answer for a while.
    private void Restart(SimulatedConnection connection)
    {
        world.Note("restart", connection.Epoch);
        world.Count("brokers restarted");
        _awayUntil = world.Now + Ms(2_000);
        _exchanges.Remove("declared");
        _queues.RemoveWhere(queue => queue.StartsWith("queue-", StringComparison.Ordinal));
        CloseByBroker(connection, 320, "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'");
    }

    // A user deleted or without access: the connection is closed, and the next ones are refused.
    private void Refuse(SimulatedConnection connection)
    {
        world.Note("user is deleted", connection.Epoch);
        world.Count("users refused");
        _refusingUntil = world.Now + Ms(4_000);
        CloseByBroker(connection, 320, "CONNECTION_FORCED - user 'guest' is deleted");
    }

    private void Forget(SimulatedConnection connection)
    {
        foreach (SimulatedChannel channel in connection.Channels)
        {
            channel.Consumes = false;
            Requeue(channel);
            foreach (var (name, _) in _replyQueues.Where(pair => pair.Value == channel).ToList())
                _replyQueues.Remove(name);
        }
    }

    private void Freeze(SimulatedConnection connection)
    {
        world.Note("freeze", connection.Epoch);
        world.Count("brokers frozen");
        if (!connection.IsStarved)
            connection.LastHeard = world.Now;
        connection.IsFrozen = true;
        world.After(Ms(100) + Ms(20_000), () => Thaw(connection));
    }

    private void Thaw(SimulatedConnection connection)
    {
        if (connection.IsFrozen)
            connection.ThawedAt = world.Now;
        connection.IsFrozen = false;
        ReadOn(connection);
    }

    // For good: only the client ends it.
    private void Deafen(SimulatedConnection connection)
    {
        if (Chance(0.5))
        {
            world.Note("deaf", connection.Epoch);
            world.Count("links that the broker ceased to read");
            connection.IsDeaf = true;
        }
        else if (Pick(connection, channel => channel is { BrokerOpen: true, Confirms: true }) is { } channel)
        {
            world.Note("channel is deaf", channel.Incarnation);
            world.Count("channels that the broker lost track of");
            channel.IsDeaf = true;
        }
    }

    private void Starve(SimulatedConnection connection)
    {
        world.Note("starve", connection.Epoch);
        world.Count("processes starved");
        if (!connection.IsFrozen)
            connection.LastHeard = world.Now;
        connection.IsStarved = true;
        world.After(Ms(30_000), () => EndStarvation(connection));
    }

    private void EndStarvation(SimulatedConnection connection)
    {
        if (!connection.IsStarved)
            return;
        connection.IsStarved = false;
        connection.StarvedUntil = world.Now;
    }

    private void Block(SimulatedConnection connection)
    {
        world.Note("block", connection.Epoch);
        world.Count("links blocked");
        connection.IsBlocked = true;
        world.After(Latency(), () => world.Post(new BrokerSignal.Blocked(connection.Epoch, "memory")));
        world.After(Ms(10) + Ms(Chance(0.1) ? 20_000 : 4_000), () => Unblock(connection));
        if (Chance(0.2))
            Cut(connection); // the news of both may come in either order
    }

    private void Unblock(SimulatedConnection connection)
    {
        if (!connection.IsBlocked)
            return;
        connection.IsBlocked = false;
        world.After(Scenario.Latency * 51 + Latency(), () => world.Post(new BrokerSignal.Unblocked(connection.Epoch)));
        ReadOn(connection);
    }

    // F4: channels that are open or opened before the election keep naming the dead leader, most of them.
    private void LoseLeader(SimulatedConnection connection)
    {
        if (world.Now < _leaderlessUntil)
            return;
        world.Note("leader is lost");
        world.Count("leaders lost");
        _leaderlessUntil = world.Now + Ms(200) + Ms(2_000);
        foreach (SimulatedChannel channel in connection.Channels)
            channel.NamesDeadLeader |= Chance(0.7);
    }

    private void CloseByBroker(SimulatedChannel channel, int code, string text)
    {
        world.Note("broker closes", channel.Incarnation, code);
        world.Count("channels closed by the broker");
        channel.Connection.ChannelsLost++;
        CloseAtBroker(channel);
        Signal(
            channel, new BrokerSignal.ChannelClosed(channel.Incarnation, new CloseReason(code, text, ByBroker: true)));
        // RabbitMQ.Client knows before its event is handled.
        world.At(
            channel.LastSignal - Math.Min(Latency(), channel.LastSignal - world.Now),
            () => channel.ClientKnowsClosed = true);
    }

    private void CloseAtBroker(SimulatedChannel channel)
    {
        channel.BrokerOpen = false;
        channel.Consumes = false;
        Requeue(channel);
    }

    private static void ReadOn(SimulatedConnection connection)
    {
        List<Action> unread = [.. connection.Unread];
        connection.Unread.Clear();
        if (connection.IsCut && !connection.LandsLate)
            return;
        foreach (Action read in unread)
            WhenRead(connection, read); // blocked and frozen at once: the other still holds
    }

    private SimulatedChannel? Pick(SimulatedConnection connection, Func<SimulatedChannel, bool> which)
    {
        List<SimulatedChannel> some = connection.Channels.FindAll(channel => which(channel));
        return some.Count == 0 ? null : some[dice.Next(some.Count)];
    }

    private long Ms(int below) => TimeSpan.FromMilliseconds(dice.Next(below)).Ticks;
}
