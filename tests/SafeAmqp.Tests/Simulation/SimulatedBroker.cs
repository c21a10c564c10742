using System.Globalization;
using SafeAmqp.Actor;
using SafeAmqp.Broker;
using SafeAmqp.Topology;

namespace SafeAmqp.Tests.Simulation;

/// <summary>
/// A broker and the way to it in virtual time. It takes what the actor asks at once and answers by signals later, as the real one was seen to;
/// and it refuses what RabbitMQ or RabbitMQ.Client would: a second publish on a busy channel, an unknown delivery tag, a second RPC.
/// </summary>
internal sealed partial class SimulatedBroker(Simulation simulation) : IBrokerLink
{
    private readonly Dictionary<long, SimulatedChannel> _channels = [];
    private readonly HashSet<string> _exchanges = ["orders", "news", "secret"];
    private readonly HashSet<string> _queues = ["work-0", "work-1", "work-2"];
    private readonly Dictionary<string, SimulatedChannel> _replyQueues = [];
    private long _stored;
    private int _names;

    internal SimulatedConnection? Current { get; private set; }

    internal bool IsHealed { get; private set; }

    internal bool IsConnected => Current is { IsUp: true, IsDead: false };

    private Scenario Scenario => simulation.Scenario;

    private Random Random => simulation.Random;

    public void Connect(int epoch)
    {
        simulation.Note("connect", epoch);
        Require(Current is null or { IsAbandoned: true }, "a link is begun while another is in use");
        var connection = Current = new SimulatedConnection(epoch);
        if (!Chance(Scenario.ConnectFailures))
        {
            simulation.After(Latency() * 3, () => Welcome(connection));
        }
        else if (Chance(0.7))
        {
            bool refused = Chance(0.2);
            simulation.After(Latency(), () => simulation.Post(new BrokerSignal.ConnectFailed(epoch, new CloseReason(refused ? 403 : 0, "no", refused), refused, "broker")));
        }
        // else: silence until the client's own time-out
    }

    public void Abandon(int epoch, bool politely)
    {
        simulation.Note(politely ? "goodbye" : "abandon", epoch);
        if (Current is not { } connection || connection.Epoch != epoch || connection.IsAbandoned)
            return;
        connection.IsAbandoned = true;
        connection.LandsLate = connection.IsCut ? connection.LandsLate : politely || Chance(0.5);
        connection.IsCut = true;
        Forget(connection);
    }

    public void OpenChannel(int epoch, long incarnation, bool confirms, int prefetch)
    {
        simulation.Note("open", incarnation, prefetch);
        Require(Current is { IsUp: true, IsAbandoned: false } current && current.Epoch == epoch, "a channel is opened on a link that is not in use");
        var channel = new SimulatedChannel(Current!, incarnation, confirms, prefetch);
        Require(_channels.TryAdd(incarnation, channel), "an incarnation is used twice");
        Current!.Channels.Add(channel);
        ToBroker(Current, () =>
        {
            if (Chance(Scenario.OpenFailures))
            {
                Signal(channel, new BrokerSignal.ChannelClosed(incarnation, new CloseReason(504, "CHANNEL_ERROR", ByBroker: true)));
                return;
            }
            channel.BrokerOpen = true;
            Signal(channel, new BrokerSignal.ChannelOpened(incarnation), () => channel.ClientOpened = true);
        });
    }

    public void CloseChannel(long incarnation)
    {
        simulation.Note("close", incarnation);
        SimulatedChannel channel = InUse(incarnation, mustBeOpen: false, mustBeConnected: false);
        channel.ClientClosed = true;
        ToBroker(channel.Connection, () => CloseAtBroker(channel));
    }

    public PassResult Publish(long incarnation, AmqpMessage message, int slot)
    {
        SimulatedChannel channel = InUse(incarnation);
        Require(channel.Confirms && !channel.IsBusy, "a publish on a channel that does not confirm or is busy");
        Require(message.Mandatory == (slot >= 0), "a slot for what is not mandatory, or none for what is");
        Attempt attempt = simulation.Attempts[int.Parse(message.MessageId!, CultureInfo.InvariantCulture)];
        simulation.Note("publish", attempt.Id, incarnation);
        if (channel.ClientKnowsClosed)
        {
            simulation.Count("publishes that found their channel closed");
            return PassResult.Closed;
        }
        if (attempt.IsUnencodable)
            return PassResult.Unencodable;
        if (attempt.Passes.Count > 0)
            simulation.Count("republished");
        attempt.Passes.Add(channel);
        attempt.StoredAt = 0;
        ulong sequence = ++channel.Published;
        ToBroker(channel.Connection, () => Receive(channel, sequence, attempt, message, slot));
        if (!Chance(channel.Connection.IsBlocked ? 0.5 : Scenario.Busy * 0.3))
            return PassResult.Passed;
        simulation.Count("busy channels");
        channel.IsBusy = true;
        Exception? failure = Chance(Scenario.FailedWrites) ? new InvalidOperationException("the write failed") : null;
        WhenRead(channel.Connection, () => Signal(channel, new BrokerSignal.Readied(incarnation, failure), () => channel.IsBusy = false));
        return PassResult.PassedBusy;
    }

    public void Settle(long incarnation, ulong tag, bool multiple, AmqpSettlement settlement)
    {
        simulation.Note(multiple ? "settle through" : "settle", incarnation, (long)tag);
        SimulatedChannel channel = InUse(incarnation, mustBeConnected: false);
        Require(channel.Unsettled.Contains(tag), $"406 unknown delivery tag {tag} on channel {incarnation}");
        Require(!multiple || settlement == AmqpSettlement.Ack, "only acks are joined");
        List<ulong> settled = multiple ? [.. channel.Unsettled.Where(other => other <= tag)] : [tag];
        foreach (ulong one in settled)
        {
            channel.Unsettled.Remove(one);
            if (!channel.IsReplyChannel)
                simulation.Settled(incarnation, one, settlement);
        }
        if (multiple)
            simulation.Count("joined acks");
        ToBroker(channel.Connection, () => channel.InHand -= settled.Count);
    }

    public void Declare(long incarnation, TopologyItem item)
    {
        simulation.Note("declare", incarnation);
        SimulatedChannel channel = InUse(incarnation);
        BeginAnswer(channel);
        if (Chance(Scenario.Silences * 0.2))
            return; // never answered
        long slow = Chance(0.1) ? Latency() * Random.Next(200) : 0;
        ToBroker(channel.Connection, () => simulation.After(slow, () => WhenRead(channel.Connection, () => Answer(channel, item))));
    }

    public void Consume(long incarnation, ConsumeRequest request)
    {
        simulation.Note("consume", incarnation);
        SimulatedChannel channel = InUse(incarnation);
        BeginAnswer(channel);
        bool direct = request.Queue == "amq.rabbitmq.reply-to";
        Require(!direct || (channel.Confirms && request.NoAck), "direct reply-to needs no-ack and the channel of its requests");
        ToBroker(channel.Connection, () =>
        {
            if (!direct && !_queues.Contains(request.Queue) && !_replyQueues.ContainsKey(request.Queue))
            {
                CloseByBroker(channel, 404, $"NOT_FOUND - no queue '{request.Queue}' in vhost '/'");
                return;
            }
            channel.Queue = request.Queue;
            channel.Consumes = true;
            Signal(channel, new BrokerSignal.ConsumerStarted(incarnation), () => channel.AwaitsAnswer = false);
            if (!direct && !channel.IsReplyChannel)
                Deliver(channel);
        });
    }

    public void CancelConsumer(long incarnation)
    {
        simulation.Note("cancel consumer", incarnation);
        SimulatedChannel channel = InUse(incarnation);
        if (Chance(Scenario.Silences * 0.2))
            return;
        ToBroker(channel.Connection, () =>
        {
            channel.Consumes = false;
            Signal(channel, new BrokerSignal.ConsumerCancelled(incarnation, byBroker: false));
        });
    }

    public LinkTraffic Traffic(int epoch)
    {
        if (Current is not { IsUp: true } connection || connection.Epoch != epoch)
            return default;
        if (!connection.IsCut && !connection.IsFrozen)
            connection.LastHeard = simulation.Now;
        return new LinkTraffic(connection.LastHeard, null);
    }

    private void Welcome(SimulatedConnection connection)
    {
        if (connection.IsAbandoned)
            return;
        connection.IsUp = true;
        connection.LastHeard = simulation.Now;
        if (Chance(Scenario.Blocks * 0.05))
            Block(connection); // may come before Connected
        simulation.Post(new BrokerSignal.Connected(connection.Epoch, "broker"));
    }

    private SimulatedChannel InUse(long incarnation, bool mustBeOpen = true, bool mustBeConnected = true)
    {
        if (!_channels.TryGetValue(incarnation, out SimulatedChannel? channel))
            throw new ViolationException($"channel {incarnation} was never opened");
        Require(!channel.Connection.IsAbandoned || !mustBeConnected, $"channel {incarnation} is of a link that was given up");
        Require(!channel.ClientClosed, $"channel {incarnation} was closed");
        Require(channel.ClientOpened || !mustBeOpen, $"channel {incarnation} is not open yet");
        return channel;
    }

    private static void BeginAnswer(SimulatedChannel channel)
    {
        Require(!channel.AwaitsAnswer, "a second RPC on a channel whose first was not answered");
        channel.AwaitsAnswer = true;
    }

    private static void Require(bool condition, string otherwise)
    {
        if (!condition)
            throw new ViolationException(otherwise);
    }

    private bool Chance(double probability) => !IsHealed && probability > 0 && Random.NextDouble() < probability;

    private long Latency() => 1 + Random.NextInt64(Scenario.Latency);

    // The client's frames arrive in their order.
    private void ToBroker(SimulatedConnection connection, Action read)
    {
        if (connection.IsCut)
            return; // written into nothing
        connection.LastArrival = Math.Max(connection.LastArrival + 1, simulation.Now + Latency());
        simulation.At(connection.LastArrival, () => Arrive(connection, read));
    }

    private static void Arrive(SimulatedConnection connection, Action read)
    {
        if (connection.IsCut && !connection.LandsLate)
            return;
        WhenRead(connection, read);
    }

    private static void WhenRead(SimulatedConnection connection, Action read)
    {
        if (connection.IsFrozen || connection.IsBlocked)
            connection.Unread.Add(read);
        else
            read();
    }

    // A channel's signals keep their order; those of a lost link may still come, or not.
    private void Signal(SimulatedChannel channel, BrokerSignal signal, Action? posted = null)
    {
        channel.LastSignal = Math.Max(channel.LastSignal + 1, simulation.Now + Latency());
        simulation.At(channel.LastSignal, () =>
        {
            if (channel.Connection.IsCut && channel.Connection.AnswersLost)
                return;
            if (channel.IsGone)
                simulation.Count("signals of channels that are gone");
            posted?.Invoke();
            simulation.Post(signal);
        });
    }
}
