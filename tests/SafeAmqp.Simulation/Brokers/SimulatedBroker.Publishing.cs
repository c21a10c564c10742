using SafeAmqp.Actor;
using SafeAmqp.Broker;
using SafeAmqp.Simulation.Runs;
using static SafeAmqp.Simulation.Checking.ViolationException;

namespace SafeAmqp.Simulation.Brokers;

// Publishing: what comes is stored, returned, nacked, or closes its channel; answers come in any order, singly or for
// many.
internal sealed partial class SimulatedBroker
{
    private readonly HashSet<string> _exchanges = ["orders", "news", "secret"];
    private long _stored;

    public PassResult Publish(long incarnation, in Outgoing outgoing, int slot, out string? refusal)
    {
        refusal = null;
        AmqpMessage message = outgoing.ToMessage();
        SimulatedChannel channel = InUse(incarnation);
        if (channel.Serves)
            return PublishReply(channel, message, slot);
        Sending sending = world.SendingOf(message);
        world.Note("publish", sending.Attempt.Id, incarnation);
        CheckPublish(channel, sending, message, slot);
        if (channel.ClientKnowsClosed)
        {
            world.Count("publishes that found their channel closed");
            return PassResult.Closed;
        }
        if (sending.Attempt.IsUnencodable)
        {
            refusal = "it does not fit";
            return PassResult.Refused;
        }
        world.Count("publishes");
        if (sending.Channels.Count > 0)
            world.Count("republished");
        sending.Channels.Add(channel);
        sending.Attempt.Passes.Add(incarnation);
        sending.Attempt.StoredAt = 0;
        sending.WayBack = WayBack(channel, message);
        ulong sequence = ++channel.Published;
        if (channel.Outstanding.Count == 0)
            channel.HeardAt = world.Now;
        channel.Outstanding.Add((sequence, sending));
        channel.OutstandingBytes += message.Body.Length;
        ToBrokerAtFlush(channel, () => Receive(channel, sequence, sending, message, slot));
        bool stuck = Chance(channel.Connection.IsBlocked ? 0.5 : Scenario[Fault.Busy] * 0.3);
        if (!stuck)
            return PassResult.Passed;
        world.Count("busy channels");
        channel.IsBusy = true;
        WhenRead(
            channel.Connection,
            () => Signal(channel, new BrokerSignal.Readied(incarnation), () => channel.IsBusy = false));
        return PassResult.PassedBusy;
    }

    private void Receive(SimulatedChannel channel, ulong sequence, Sending sending, AmqpMessage message, int slot)
    {
        if (!channel.BrokerOpen)
            return; // the broker drops what comes on a channel that it closed
        if (Refuses(channel, sending, message.Exchange))
            return;
        if (sending.Attempt.IsImpossible && !IsHealed)
        {
            if (channel.Connection.IsDead)
                return; // it was not this one that ended it
            world.Count("links ended over one message");
            Require(++sending.Attempt.LinksEnded <= 2, $"a third link is lost to attempt {sending.Attempt.Id}");
            CloseByBroker(channel.Connection, dice.Pick(501, 505, 541), "FRAME_ERROR");
            channel.Connection.Channels.ForEach(other => other.BrokerOpen = false); // what comes behind it is not read
            return;
        }
        if (Chance(Scenario[Fault.BadAnswers] * 0.2))
        {
            channel.IsSuspect = true;
            // Nonsense: the channel is not to be trusted. Zero means "all so far" to AMQP, but the broker cannot know
            // how much that is here.
            Signal(channel, new BrokerSignal.Acked(
                channel.Incarnation, dice.Pick<ulong>(0, sequence + 10_000), Multiple: dice.Next(2) == 0));
        }
        bool? ack = true;
        // bindings and queues change, also between two copies of one message
        if (message.RoutingKey == "nowhere" || Chance(Scenario[Fault.Returns] * 0.1))
        {
            if (message.Mandatory)
            {
                sending.Attempt.Returns++;
                Signal(channel, new BrokerSignal.Returned(channel.Incarnation, slot, 312, "NO_ROUTE"));
            }
        }
        else if (message.RoutingKey == "full" || Chance(Scenario[Fault.Nacks] * 0.1)
            || (message.RoutingKey == "led" && (channel.NamesDeadLeader || world.Now < _leaderlessUntil)))
        {
            ack = false;
        }
        else
        {
            sending.Attempt.Stored++;
            if (sending.Channels[^1] == channel)
                sending.Attempt.StoredAt = ++_stored;
            if (message.RoutingKey == "silent" && !IsHealed)
                ack = null; // a queue without a majority
            if (message.ReplyTo is { } replyTo)
                Work(channel, sending, message, replyTo);
        }
        channel.Unanswered.Add(sequence, (sending, ack));
        FlushLater(channel);
    }

    private bool Refuses(SimulatedChannel channel, Sending sending, string exchange)
    {
        bool forbidden = exchange == "secret";
        if (!forbidden && (exchange.Length == 0 || _exchanges.Contains(exchange)))
            return false;
        sending.Attempt.WasRefused = true;
        if (forbidden)
            CloseByBroker(
                channel, 403, "ACCESS_REFUSED - access to exchange 'secret' in vhost '/' refused for user 'guest'");
        else
            CloseByBroker(channel, 404, $"NOT_FOUND - no exchange '{exchange}' in vhost '/'");
        return true;
    }

    private void FlushLater(SimulatedChannel channel)
    {
        if (channel.FlushIsDue)
            return;
        channel.FlushIsDue = true;
        world.After(Latency(), () => WhenRead(channel.Connection, () =>
        {
            channel.FlushIsDue = false;
            if (channel is { BrokerOpen: true, IsDeaf: false })
                Flush(channel);
        }));
    }

    // Answers come one by one in any order, or together for all up to one.
    private void Flush(SimulatedChannel channel)
    {
        List<ulong> ready = [.. channel.Unanswered.Where(pair => pair.Value.Ack is not null).Select(pair => pair.Key)];
        if (ready.Count == 0)
            return;
        ulong first = channel.Unanswered.Keys.First();
        bool? kind = channel.Unanswered[first].Ack;
        if (kind is not null && dice.Next(2) == 0)
        {
            List<ulong> prefix = [
                .. channel.Unanswered.TakeWhile(pair => pair.Value.Ack == kind).Select(pair => pair.Key)];
            Answer(channel, prefix[..dice.Next(1, prefix.Count + 1)], kind.Value, multiple: true);
        }
        else
        {
            ulong one = ready[dice.Next(ready.Count)];
            Answer(channel, [one], channel.Unanswered[one].Ack!.Value, multiple: false);
        }
        if (ready.Count > 1)
            FlushLater(channel);
    }

    private void Answer(SimulatedChannel channel, List<ulong> sequences, bool ack, bool multiple)
    {
        foreach (ulong sequence in sequences)
        {
            Checking.Attempt attempt = channel.Unanswered[sequence].Sending.Attempt;
            channel.Unanswered.Remove(sequence);
            if (ack)
                attempt.Acks++;
            else
                attempt.Nacks++;
        }
        if (multiple)
            world.Count("multiple answers");
        Signal(channel, ack
            ? new BrokerSignal.Acked(channel.Incarnation, sequences[^1], multiple)
            : new BrokerSignal.Nacked(channel.Incarnation, sequences[^1], multiple));
        if (Chance(Scenario[Fault.DoubleAnswers] * 0.3)) // once more: it says nothing new, whatever it says
            Signal(channel, dice.Next(2) == 0
                ? new BrokerSignal.Acked(channel.Incarnation, sequences[^1], Multiple: false)
                : new BrokerSignal.Nacked(channel.Incarnation, sequences[^1], Multiple: false));
    }
}
