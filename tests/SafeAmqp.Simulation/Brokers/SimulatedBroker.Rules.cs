using SafeAmqp.Actor;
using SafeAmqp.Simulation.Checking;
using SafeAmqp.Simulation.Runs;
using SafeAmqp.Topology;
using static SafeAmqp.Simulation.Checking.ViolationException;

namespace SafeAmqp.Simulation.Brokers;

// What the actor may ask of the broker, and when it must.
internal sealed partial class SimulatedBroker
{
    // Of what waits for declarations, and of what does not.
    private readonly Dictionary<bool, long> _lastOrdinals = [];

    private static long Tolerance => HistoryChecker.Tolerance;

    /// <summary>Looks at what must hold after each step.</summary>
    internal void CheckStep()
    {
        if (Current is not { } connection || world.IsClosing)
            return;
        if (connection.IsAbandoned)
        {
            TimeSpan longest = _wasRefused ? World.RefusedDelay : World.MaxDelay;
            Require(world.Now <= _abandonedAt + longest.Ticks + Tolerance, "no new link is begun");
            return;
        }
        if (!connection.HeardConnected)
        {
            Require(
                world.Now <= connection.BegunAt + World.ConnectTimeout.Ticks + Ticks(1_000) + Tolerance,
                "connecting takes for ever");
            return;
        }
        Require(
            !IsSilent(connection)
                || world.Now <= Math.Max(connection.LastHeard, connection.StarvedUntil) + SilenceAllowed + Tolerance,
            "a silent link is not noticed");
        CheckHearing(connection);
        foreach (SimulatedChannel channel in connection.Channels)
        {
            Require(
                !channel.IsInStorm || channel.Outstanding.Count > 0 || channel.ClientClosed || channel.HeardClosed,
                "a channel is drained after a storm of nacks and not replaced");
        }
    }

    /// <summary>Looks at what must stand when a link is said to be open.</summary>
    internal void CheckOpen(IReadOnlyList<TopologyItem> topology)
    {
        foreach (TopologyItem item in topology)
            Require(Current!.Declared.Contains(item.Key), $"the link is open before {item.Key} was declared again");
    }

    /// <summary>Looks whether what was declared is there in the end.</summary>
    internal void CheckTopology(IReadOnlyList<TopologyItem> topology)
    {
        foreach (TopologyItem item in topology)
        {
            bool isThere = item switch
            {
                TopologyItem.Queue queue => _queues.Contains(queue.Value.Name),
                TopologyItem.Exchange exchange => _exchanges.Contains(exchange.Value.Name),
                _ => true,
            };
            Require(isThere, $"{item.Key} was declared and is not there");
        }
    }

    private long SilenceAllowed => Scenario.Heartbeat.Ticks * 3 / 2;

    private void CheckConnect(int epoch)
    {
        Require(Current is null or { IsAbandoned: true }, "a link is begun while another is in use");
        Require(Current is null || epoch > Current.Epoch, "an epoch is used twice");
        Require(world.Now >= _refusedAt + World.RefusedDelay.Ticks, "a broker that refused is asked again too soon");
    }

    private void CheckAbandon(SimulatedConnection connection)
    {
        if (world.IsClosing || connection.WasReportedLost)
            return;
        bool tooSlow = !connection.HeardConnected
            && world.Now - connection.BegunAt >= World.ConnectTimeout.Ticks / Scenario.Hosts;
        Require(
            tooSlow || HasBeenSilent(connection) || IsUnheard(connection, connection.OpenAskedAt),
            "a link that lives was given up");
    }

    private static bool IsSilent(SimulatedConnection connection)
        => (connection.IsCut || connection.IsFrozen) && !connection.IsStarved;

    private bool HasBeenSilent(SimulatedConnection connection)
        => connection.HeardConnected && IsSilent(connection) && world.Now - connection.LastHeard >= SilenceAllowed;

    private void CheckClose(SimulatedChannel channel)
    {
        SimulatedConnection connection = channel.Connection;
        if (channel.Serves && channel.Serving.Deliveries.Count > 0 && world.MustSeeRepliesWorkedOff)
        {
            bool isNotAnswered = channel.Serving.AskedAt is { } askedAt
                && world.Now - askedAt >= Scenario.OperationTimeout.Ticks;
            Require(isNotAnswered || IsWorkedOff(channel),
                "a server ends before the broker has worked off its replies");
            Require(isNotAnswered || channel.Serving.Given.TrueForAll(reply => !reply.IsTaken || reply.HasEnded),
                "a server ends with a reply that it was given and that has not left");
        }
        if (!channel.Confirms || channel.IsSuspect || connection.IsAbandoned)
            return;
        bool unanswered = !(channel.IsDirect
            ? channel.HeardReady && !(channel.AwaitsAnswer && channel.AskedAt is null)
            : channel.HeardReady)
            && world.Now - channel.OpenedAt >= Scenario.OperationTimeout.Ticks;
        bool drained = channel.IsInStorm && channel.Outstanding.Count == 0;
        bool heldUp = channel.Outstanding.Count > 0
            && channel.Outstanding.TrueForAll(entry => entry.Sending.Attempt.Deadline <= world.Now);
        if (world.IsClosing)
        {
            bool mayStillBeAnswered = channel.Outstanding.Count > 0 && !connection.HeardBlocked
                && !connection.WasReportedLost && !HasBeenSilent(connection);
            Require(
                !mayStillBeAnswered || heldUp || world.Now >= world.CloseBy,
                "closing does not wait for the answers to what was sent");
            return;
        }
        Require(unanswered || drained || heldUp || IsUnheard(connection, channel.AskedAt), "channel "
            + $"{channel.Incarnation} was given up without a reason, with {channel.Outstanding.Count} unanswered");
    }

    private void CheckPublish(SimulatedChannel channel, Sending sending, AmqpMessage message, int slot)
    {
        Attempt attempt = sending.Attempt;
        Require(channel.Confirms && !channel.IsBusy, "a publish on a channel that does not confirm or is busy");
        Require(!channel.HeardBad && !channel.IsInStorm, "a publish on a channel that is not to be trusted");
        Require(message.Mandatory == (slot >= 0), "a slot for what is not mandatory, or none for what is");
        Require(!channel.Connection.HeardBlocked, "a publish while the broker blocks");
        Require(!world.MustWait(message), "a publish while what could route it is being declared");
        Require(
            channel.Outstanding.Count == 0
                || (!attempt.IsSuspect && !channel.Outstanding[^1].Sending.Attempt.IsSuspect),
            "a suspect goes with others");
        Require(
            world.State is AmqpLinkState.Open or AmqpLinkState.Closing, $"a publish while the link is {world.State}");
        Require(
            !sending.Job!.HasEnded && attempt.End == Checking.End.Pending,
            $"attempt {attempt.Id} is sent after its end");
        Require(world.Now <= attempt.Deadline + Tolerance, $"attempt {attempt.Id} is sent after its deadline");
        Require(channel.Outstanding.Count < Scenario.Window, "more publishes than the window allows are unanswered");
        Require(
            channel.Outstanding.Count == 0 || channel.OutstandingBytes + message.Body.Length <= Scenario.WindowBytes,
            "more bytes than the window allows are unanswered");
        Require(
            message.Exchange.Length == 0 || channel.Connection.Asked.Contains(message.Exchange),
            $"exchange '{message.Exchange}' was not asked for before the first publish to it");
        Require(
            message.Exchange != "secret" || world.Now >= channel.Connection.HeardForbiddenAt + Ticks(1_000),
            "a refusal of access is provoked again at once");
        CheckReply(channel, attempt, message);
        CheckTurn(channel, sending);
    }

    private void CheckReply(SimulatedChannel channel, Attempt attempt, AmqpMessage message)
    {
        if (!attempt.IsCall)
            return;
        Require(
            message is { Mandatory: true, CorrelationId: not null, ReplyTo: not null, Expiration: not null },
            "a request lacks what makes it one");
        Require(message.Expiration <= TimeSpan.FromTicks(
            Math.Max(TimeSpan.TicksPerMillisecond, attempt.Deadline - world.Now)), "a request outlives its deadline");
        if (message.ReplyTo == DirectReplyTo)
            Require(
                channel.IsDirect && channel.HeardReady,
                "direct reply-to is used on a channel that does not consume it");
        else if (attempt.Kind == Kind.Call)
            Require(
                _replyQueuesEver.GetValueOrDefault(message.ReplyTo!)?.Connection == channel.Connection,
                "a reply queue of another link is used");
    }

    // In the order in which they were accepted: on each channel without exception, and whatever goes for the first
    // time. What waits for a declaration may be passed by what does not.
    private void CheckTurn(SimulatedChannel channel, Sending sending)
    {
        Attempt attempt = sending.Attempt;
        bool isRepeated = sending.Channels.Count > 0;
        Require(
            !isRepeated || (Scenario.Republish && attempt.Kind == Kind.Publish && !sending.IsAnswered),
            $"attempt {attempt.Id} is sent again");
        Require(!isRepeated || sending.Channels[^1] is { ClientClosed: true } or { HeardClosed: true }
            or { Connection.IsAbandoned: true }, $"attempt {attempt.Id} is sent again while its channel is in use");
        if (channel.ClientKnowsClosed || attempt.IsUnencodable)
            return;
        (bool IsCall, bool Waits) turn = (attempt.Kind == Kind.Call, attempt.Exchange == "declared");
        Require(attempt.Accepted > channel.LastOrdinals.GetValueOrDefault(turn),
            $"{(turn.IsCall ? "call" : "attempt")} {attempt.Id} overtook another");
        channel.LastOrdinals[turn] = attempt.Accepted;
        if (turn.IsCall)
            return;
        long last = _lastOrdinals.GetValueOrDefault(turn.Waits);
        Require(isRepeated || attempt.Accepted > last, $"attempt {attempt.Id} overtook another");
        _lastOrdinals[turn.Waits] = Math.Max(last, attempt.Accepted);
    }

    private void CheckConsume(SimulatedChannel channel, string queue)
    {
        if (channel.IsDirect || _replyQueuesEver.ContainsKey(queue) || world.State != AmqpLinkState.Preparing)
            return;
        foreach (TopologyItem item in world.Topology)
            Require(
                channel.Connection.Declared.Contains(item.Key),
                $"queue '{queue}' is consumed before {item.Key} was declared again");
    }

    private static long Ticks(int milliseconds) => TimeSpan.FromMilliseconds(milliseconds).Ticks;
}
