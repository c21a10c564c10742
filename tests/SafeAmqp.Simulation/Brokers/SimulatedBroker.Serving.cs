using System.Globalization;
using SafeAmqp.Actor;
using SafeAmqp.Rpc;
using SafeAmqp.Simulation.Runs;
using static SafeAmqp.Simulation.Checking.ViolationException;

namespace SafeAmqp.Simulation.Brokers;

// A queue of requests: what is not acknowledged comes again when its channel is gone. Replies and acknowledgements of a
// channel are read in the order in which they were sent.
internal sealed partial class SimulatedBroker
{
    internal const string ServedQueue = "served";

    private readonly LinkedList<SimulatedRequest> _ready = [];

    public void Confirm(long incarnation)
    {
        world.Note("confirm", incarnation);
        SimulatedChannel channel = InUse(incarnation);
        Require(!channel.Confirms && !channel.Serving.Confirms, "a channel that confirms is asked to confirm");
        channel.Serving.Confirms = true;
        ToBrokerAtFlush(channel, () => { }); // what follows is numbered from 1, at both ends
    }

    /// <summary>A caller asks.</summary>
    internal void Ask(SimulatedRequest request) => _ready.AddLast(request);

    /// <summary>A server has handed over a reply, for the channel that its request came on.</summary>
    internal void Given(long incarnation, ReplyJob reply) => _channels[incarnation].Serving.Given.Add(reply);

    /// <summary>Whether everything that a server was told of its delivery's channel has been worked off, as it
    /// knows.</summary>
    internal bool IsWorkedOff(SimulatedChannel channel)
        => channel.Serving is { InDoubt: 0, Unconfirmed.Count: 0 };

    private PassResult PublishReply(SimulatedChannel channel, AmqpMessage message, int slot)
    {
        SimulatedServing serving = channel.Serving;
        ulong tag = ulong.Parse(message.MessageId!, CultureInfo.InvariantCulture);
        SimulatedRequest request = serving.Deliveries[tag].Request;
        world.Note("reply", request.Id, channel.Incarnation);
        Require(!channel.IsBusy, "a reply on a busy channel");
        Require(!channel.Connection.HeardBlocked, "a reply while the broker blocks");
        Require(
            world.State is AmqpLinkState.Open or AmqpLinkState.Closing, $"a reply while the link is {world.State}");
        Require(channel.Unsettled.Contains(tag), $"request {request.Id} is answered after its acknowledgement");
        Require(serving.Alone is null, "a reply goes beside that to a request that came before");
        Require(
            !serving.Deliveries[tag].IsRedelivered || IsWorkedOff(channel),
            "a request that came before is answered with others in doubt");
        Require(!request.OutlivesCaller || serving.Confirms, "a reply that outlives its caller is not confirmed");
        Require(!serving.Confirms || !message.Mandatory || slot >= 0, "a mandatory reply has no slot");
        if (channel.ClientKnowsClosed)
            return PassResult.Closed;
        world.Count("replies");
        ulong sequence = 0;
        if (serving.Confirms)
            serving.Unconfirmed.Add(sequence = ++channel.Published, tag);
        else
            serving.InDoubt++;
        if (serving.Deliveries[tag].IsRedelivered)
            serving.Alone = tag;
        ToBrokerAtFlush(channel, () => ReceiveReply(channel, request, tag, sequence, slot));
        if (!Chance(channel.Connection.IsBlocked ? 0.5 : Scenario[Fault.Busy] * 0.3))
            return PassResult.Passed;
        channel.IsBusy = true;
        WhenRead(
            channel.Connection,
            () => Signal(channel, new BrokerSignal.Readied(channel.Incarnation), () => channel.IsBusy = false));
        return PassResult.PassedBusy;
    }

    private void ReceiveReply(SimulatedChannel channel, SimulatedRequest request, ulong tag, ulong sequence, int slot)
    {
        if (!channel.BrokerOpen)
            return;
        if (request.IsBad)
        {
            world.Count("channels closed over a reply");
            CloseByBroker(channel, 406, "PRECONDITION_FAILED - the reply is not valid");
            return;
        }
        channel.Serving.Replied.Add(tag);
        bool isNacked = request.ReplyTo == "full";
        if (request.ReplyTo == "nowhere")
            Signal(channel, new BrokerSignal.Returned(channel.Incarnation, slot, 312, "NO_ROUTE"));
        else if (!isNacked)
            request.Replies++;
        if (sequence == 0)
            return;
        world.After(Latency() * dice.Next(1, 10), () => WhenRead(channel.Connection, () =>
        {
            if (!channel.BrokerOpen || channel.IsDeaf)
                return;
            Signal(channel, isNacked ? new BrokerSignal.Nacked(channel.Incarnation, sequence, Multiple: false)
                : new BrokerSignal.Acked(channel.Incarnation, sequence, Multiple: false));
        }));
    }

    // The actor's side: what it may settle by now.
    private void CheckSettled(SimulatedChannel channel, ulong tag, AmqpSettlement settlement)
    {
        var (request, _) = channel.Serving.Deliveries[tag];
        Require(
            settlement != AmqpSettlement.Ack || !request.OutlivesCaller || channel.Serving.Confirmed.Contains(tag)
                || request.HasFailed,
            $"request {request.Id} is acknowledged before its reply is confirmed");
    }

    private void ReceiveSettlement(SimulatedChannel channel, ulong tag, AmqpSettlement settlement)
    {
        if (!channel.BrokerOpen || !channel.Serving.InHand.Remove(tag, out SimulatedRequest? request))
            return;
        if (settlement != AmqpSettlement.Ack)
        {
            request.IsRedelivered = true;
            _ready.AddFirst(request);
            return;
        }
        Require(
            channel.Serving.Replied.Contains(tag) || request.HasFailed,
            $"request {request.Id} is acknowledged and its reply is not before that");
        request.IsAcked = true;
    }

    private void DeliverRequests(SimulatedChannel channel)
    {
        while (channel.InHand < channel.Prefetch && _ready.First is { Value: var request })
        {
            _ready.RemoveFirst();
            if (request.IsRedelivered)
                world.Count("requests that came again");
            ulong tag = channel.LastTag + 1;
            channel.Serving.Deliveries[tag] = (request, request.IsRedelivered);
            channel.Serving.InHand[tag] = request;
            bool redelivered = request.IsRedelivered;
            request.IsRedelivered = true; // from now on
            Send(channel, new AmqpMessage
            {
                CorrelationId = request.Id.ToString(CultureInfo.InvariantCulture),
                ReplyTo = request.ReplyTo,
            }, redelivered);
        }
    }

    private void Requeue(SimulatedChannel channel)
    {
        foreach (SimulatedRequest request in channel.Serving.InHand.OrderByDescending(pair => pair.Key)
            .Select(pair => pair.Value))
            _ready.AddFirst(request);
        channel.Serving.InHand.Clear();
    }

    private static void HeardServing(SimulatedServing serving, BrokerSignal.OfChannel signal)
    {
        switch (signal)
        {
            case BrokerSignal.Answered:
                serving.InDoubt -= serving.Asked;
                serving.Asked = 0;
                serving.AskedAt = null;
                break;
            case BrokerSignal.Acked { Sequence: var sequence }
                when serving.Unconfirmed.Remove(sequence, out ulong tag):
                serving.Confirmed.Add(tag);
                Answered(tag);
                break;
            case BrokerSignal.Nacked { Sequence: var sequence }
                when serving.Unconfirmed.Remove(sequence, out ulong tag):
                Answered(tag);
                break;
        }

        void Answered(ulong tag)
        {
            if (serving.Alone == tag)
                serving.Alone = null;
        }
    }
}

/// <summary>A request in the served queue.</summary>
internal sealed class SimulatedRequest(int id, string replyTo, bool isBad)
{
    internal int Id => id;
    internal string ReplyTo => replyTo;

    /// <summary>Whether the broker closes the channel over its reply.</summary>
    internal bool IsBad => isBad;

    internal bool OutlivesCaller => !replyTo.StartsWith("amq.", StringComparison.Ordinal);

    internal int Replies { get; set; }
    internal int Faults { get; set; }
    internal bool IsAcked { get; set; }
    internal bool IsRedelivered { get; set; }

    /// <summary>Whether its server has learned that its reply could not be given.</summary>
    internal bool HasFailed { get; set; }
}

/// <summary>What both ends know of a channel that serves.</summary>
internal sealed class SimulatedServing
{
    /// <summary>By tag: what was delivered, and whether that was said to have come before.</summary>
    internal Dictionary<ulong, (SimulatedRequest Request, bool IsRedelivered)> Deliveries { get; } = [];

    // The client's end, as far as the actor knows.
    internal bool Confirms { get; set; }
    internal Dictionary<ulong, ulong> Unconfirmed { get; } = []; // tags by number
    internal HashSet<ulong> Confirmed { get; } = [];
    internal int InDoubt { get; set; }
    internal int Asked { get; set; }
    internal long? AskedAt { get; set; } // and not answered
    internal ulong? Alone { get; set; }
    internal List<ReplyJob> Given { get; } = [];

    // The broker's end.
    internal Dictionary<ulong, SimulatedRequest> InHand { get; } = [];
    internal HashSet<ulong> Replied { get; } = [];
}
