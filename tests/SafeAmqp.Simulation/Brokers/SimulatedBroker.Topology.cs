using SafeAmqp.Actor;
using SafeAmqp.Simulation.Runs;
using SafeAmqp.Topology;

namespace SafeAmqp.Simulation.Brokers;

// Declaring, and asking whether an exchange is there.
internal sealed partial class SimulatedBroker
{
    private int _names;

    public void Ask(long incarnation, AdminRequest request)
    {
        Flush();
        world.Note("declare", incarnation);
        SimulatedChannel channel = InUse(incarnation);
        BeginAnswer(channel);
        if (request is AdminRequest.ExchangeCheck check)
            channel.Connection.Asked.Add(check.Name);
        channel.Declaring = request.Key;
        if (request is AdminRequest.Probe)
            Probe(channel);
        if (Chance(Scenario[Fault.Silences] * 0.2))
            return; // never answered
        long slow = Chance(0.1) ? Latency() * dice.Next(200) : 0;
        ToBroker(channel, () => world.After(slow, () => WhenRead(channel.Connection, () => Answer(channel, request))));
    }

    private void Answer(SimulatedChannel channel, AdminRequest request)
    {
        if (!channel.BrokerOpen || channel.IsDeaf)
            return;
        string name = "";
        switch (request)
        {
            case AdminRequest.ExchangeCheck check when check.Name != "secret" && !_exchanges.Contains(check.Name):
                world.Count("exchanges found missing beforehand");
                CloseByBroker(channel, 404, $"NOT_FOUND - no exchange '{check.Name}' in vhost '/'");
                return;
            case TopologyItem.Queue { Value.Name: "refused" }:
                CloseByBroker(channel, 406, "PRECONDITION_FAILED - inequivalent arg");
                return;
            case TopologyItem.Queue queue:
                _queues.Add(queue.Value.Name);
                break;
            case TopologyItem.Exchange exchange:
                _exchanges.Add(exchange.Value.Name);
                break;
            case AdminRequest.ReplyQueue:
                name = $"amq.gen-{++_names}";
                channel.IsReplyChannel = true;
                _replyQueues[name] = channel;
                _replyQueuesEver[name] = channel;
                break;
        }
        Signal(channel, new BrokerSignal.Answered(channel.Incarnation, name), () => channel.AwaitsAnswer = false);
    }
}
