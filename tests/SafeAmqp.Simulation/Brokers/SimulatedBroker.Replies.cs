using SafeAmqp.Actor;
using SafeAmqp.Rpc;
using SafeAmqp.Simulation.Runs;

namespace SafeAmqp.Simulation.Brokers;

// The other side of calls: it replies, late, twice, to no call, or not at all.
internal sealed partial class SimulatedBroker
{
    private const string DirectReplyTo = "amq.rabbitmq.reply-to";

    private readonly Dictionary<string, SimulatedChannel> _replyQueues = [];
    private readonly Dictionary<string, SimulatedChannel> _replyQueuesEver = [];

    // The channel that a reply can come over, and no other: what a request names stands, whatever becomes of it. A
    // fixed queue outlives all.
    private SimulatedChannel? WayBack(SimulatedChannel requests, AmqpMessage request)
        => request.ReplyTo switch
        {
            null => null,
            DirectReplyTo => requests,
            var queue => _replyQueuesEver.GetValueOrDefault(queue),
        };

    private void Work(SimulatedChannel channel, Sending sending, AmqpMessage request, string replyTo)
    {
        if (Chance(Scenario[Fault.LostReplies] * 0.5))
            return;
        int copies = Chance(Scenario[Fault.LostReplies] * 0.3) ? 2 : 1;
        for (int i = 0; i < copies; i++)
            world.After(Latency() * dice.Next(1, 20), () => Reply(channel, sending, request, replyTo));
    }

    private void Reply(SimulatedChannel requests, Sending sending, AmqpMessage request, string replyTo)
    {
        sending.Attempt.Replies++;
        var reply = new AmqpMessage
        {
            CorrelationId = Chance(Scenario[Fault.ForeignReplies] * 0.5) ? ForeignId() : request.CorrelationId,
            MessageId = request.MessageId,
            Headers = dice.Next(20) == 0 ? new Dictionary<string, object?> { [CallHeaders.Fault] = "Error" } : null,
        };
        if (replyTo == "fixed")
        {
            world.Post(new Replied(reply.CorrelationId, reply, new Completion<bool>()));
            return;
        }
        SimulatedChannel? channel = replyTo == DirectReplyTo ? requests : _replyQueues.GetValueOrDefault(replyTo);
        if (channel is { BrokerOpen: true, Consumes: true })
            WhenRead(channel.Connection, () => Send(channel, reply));
    }

    // None, that of no call, or that of a call whose request has not left: ids that callers chose can be guessed.
    private string? ForeignId() => dice.Next(3) switch
    {
        0 => null,
        1 => "somebody else",
        _ => world.GuessId() ?? "",
    };
}
