using SafeAmqp.Actor;
using SafeAmqp.Broker;
using SafeAmqp.Simulation.Runs;
using static SafeAmqp.Simulation.Checking.ViolationException;

namespace SafeAmqp.Simulation.Brokers;

// Consuming: deliveries as far as the prefetch allows, settlements, consumers that the broker cancels.
internal sealed partial class SimulatedBroker
{
    private static readonly string[] Lasting = ["work-0", "work-1", "work-2", ServedQueue, "stream-0", "stream-1"];

    private readonly HashSet<string> _queues = [.. Lasting];

    public void Consume(long incarnation, ConsumeRequest request)
    {
        Flush();
        world.Note("consume", incarnation);
        SimulatedChannel channel = InUse(incarnation);
        BeginAnswer(channel);
        bool direct = request.Queue == DirectReplyTo;
        Require(
            !direct || (channel.Confirms && request.NoAck),
            "direct reply-to needs no-ack and the channel of its requests");
        Require(
            direct || request.NoAck == channel.IsReplyChannel,
            "what is consumed without acknowledgement is lost with its channel, which only replies may be");
        channel.IsDirect = direct;
        CheckConsume(channel, request.Queue);
        if (world.ReaderOf(request.Queue) is { } reader)
            BeginToRead(channel, request, reader);
        if (Chance(Scenario[Fault.Silences] * 0.1))
            return; // never answered
        ToBroker(channel, () =>
        {
            if (!channel.BrokerOpen)
                return;
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

    // Its users consume; what a get does is tried on the actor alone and on brokers
    public void Get(long incarnation, string queue) => throw new NotSupportedException();

    public void CancelConsumer(long incarnation)
    {
        Flush();
        world.Note("cancel consumer", incarnation);
        SimulatedChannel channel = InUse(incarnation);
        if (Chance(Scenario[Fault.Silences] * 0.2))
            return;
        ToBroker(channel, () =>
        {
            channel.Consumes = false;
            Signal(channel, new BrokerSignal.ConsumerCancelled(incarnation, ByBroker: false));
        });
    }

    public void Settle(long incarnation, ulong tag, bool multiple, AmqpSettlement settlement)
    {
        world.Note(multiple ? "settle through" : "settle", incarnation, (long)tag);
        SimulatedChannel channel = InUse(incarnation, mustBeConnected: false);
        Require(channel.Unsettled.Contains(tag), $"406 unknown delivery tag {tag} on channel {incarnation}");
        Require(!multiple || settlement == AmqpSettlement.Ack, "only acks are joined");
        Require(channel.Reader is null || settlement == AmqpSettlement.Ack, "540 a stream takes nothing back");
        List<ulong> settled = multiple ? [.. channel.Unsettled.Where(other => other <= tag)] : [tag];
        foreach (ulong one in settled)
        {
            channel.Unsettled.Remove(one);
            if (channel.Serves)
                CheckSettled(channel, one, settlement);
            else
                world.Settled(incarnation, one, settlement);
        }
        if (multiple)
            world.Count("joined acks");
        ToBrokerAtFlush(channel, () =>
        {
            channel.InHand -= settled.Count;
            channel.Settled += settled.Count;
            foreach (ulong one in channel.Serves ? settled : [])
                ReceiveSettlement(channel, one, settlement);
        });
    }

    /// <summary>
    /// How many deliveries of a queue's consumer the broker has seen settled on the channel that consumes it now.
    /// </summary>
    internal int SettledOn(string queue)
        => Current?.Channels.FindLast(channel => channel.Queue == queue && channel.Consumes)?.Settled ?? 0;

    /// <summary>Whether a settlement could still be sent.</summary>
    internal bool IsInUse(long incarnation) => _channels.TryGetValue(incarnation, out SimulatedChannel? channel)
        && channel is { ClientClosed: false, HeardClosed: false, Connection.IsAbandoned: false };

    private void Deliver(SimulatedChannel channel)
    {
        if (!channel.BrokerOpen || !channel.Consumes || world.IsOver)
            return;
        if (channel.Serves && channel.Connection is { IsFrozen: false, IsCut: false })
            DeliverRequests(channel);
        else if (!channel.Serves && channel.InHand < channel.Prefetch && !channel.Connection.IsFrozen)
            Send(channel, channel.Reader is null ? new AmqpMessage() : NextOfStream(channel));
        world.After(TimeSpan.FromMilliseconds(1 + dice.Next(IsHealed ? 500 : 40)).Ticks, () => Deliver(channel));
    }

    private void Send(SimulatedChannel channel, AmqpMessage message, bool redelivered = false)
    {
        if (!channel.BrokerOpen || !channel.Consumes)
            return;
        ulong tag = ++channel.LastTag;
        channel.InHand++;
        if (Chance(Scenario[Fault.BadAnswers] * 0.05))
            tag = channel.LastTag += 3; // a hole
        Signal(channel, new BrokerSignal.Delivered(channel.Incarnation, tag, redelivered, message), () =>
        {
            if (!channel.ClientClosed && !channel.Confirms && !channel.IsReplyChannel)
                channel.Unsettled.Add(tag);
        });
    }

    private void LoseQueue(SimulatedChannel consumer)
    {
        world.Note("queue is gone", consumer.Incarnation);
        world.Count("consumers cancelled by the broker");
        consumer.Consumes = false;
        consumer.IsCancelled = true;
        consumer.Connection.ChannelsLost++;
        string queue = consumer.Queue!;
        if (_queues.Remove(queue))
            world.After(TimeSpan.FromMilliseconds(dice.Next(2000)).Ticks, () => _queues.Add(queue));
        Signal(consumer, new BrokerSignal.ConsumerCancelled(consumer.Incarnation, ByBroker: true));
    }
}
