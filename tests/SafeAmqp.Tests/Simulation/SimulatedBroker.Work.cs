using SafeAmqp.Actor;
using SafeAmqp.Rpc;
using SafeAmqp.Topology;

namespace SafeAmqp.Tests.Simulation;

// What the broker does with what it has read, and the faults.
internal sealed partial class SimulatedBroker
{
    /// <summary>Lets the faults of one moment happen.</summary>
    internal void Misbehave(double seconds)
    {
        if (Current is not { IsUp: true, IsDead: false } connection)
            return;
        if (Chance(Scenario.Cuts * seconds))
            Cut(connection);
        else if (!connection.IsFrozen && Chance(Scenario.Freezes * seconds))
            Freeze(connection);
        else if (!connection.IsBlocked && Chance(Scenario.Blocks * seconds))
            Block(connection);
        if (Chance(Scenario.ExchangeLosses * seconds) && _exchanges.Remove("news"))
        {
            simulation.Note("exchange news is gone");
            simulation.After(TimeSpan.FromMilliseconds(Random.Next(1500)).Ticks, () => _exchanges.Add("news"));
        }
        if (Chance(Scenario.ChannelErrors * seconds) && Pick(connection, channel => channel.BrokerOpen) is { } broken)
            CloseByBroker(broken, 541, "INTERNAL_ERROR");
        if (Chance(Scenario.ConsumerCancels * seconds) && Pick(connection, channel => channel.Consumes) is { } consumer)
            LoseQueue(consumer);
    }

    /// <summary>Ends all faults: from now on everything works.</summary>
    internal void Heal()
    {
        IsHealed = true;
        _exchanges.UnionWith(["news", "orders"]);
        _queues.UnionWith(["work-0", "work-1", "work-2"]);
        if (Current is not { } connection)
            return;
        Thaw(connection);
        Unblock(connection);
        if (connection is { IsUp: false, IsAbandoned: false })
            return; // its connect ends in its time-out
    }

    private void Receive(SimulatedChannel channel, ulong sequence, Attempt attempt, AmqpMessage message, int slot)
    {
        if (!channel.BrokerOpen)
            return; // the broker drops what comes on a channel that it closed
        if (message.Exchange == "secret")
        {
            attempt.WasRefused = true;
            CloseByBroker(channel, 403, "ACCESS_REFUSED - access to exchange 'secret' in vhost '/' refused for user 'guest'");
            return;
        }
        if (message.Exchange.Length > 0 && !_exchanges.Contains(message.Exchange))
        {
            attempt.WasRefused = true;
            CloseByBroker(channel, 404, $"NOT_FOUND - no exchange '{message.Exchange}' in vhost '/'");
            return;
        }
        if (Chance(Scenario.BadAnswers * 0.2))
            Signal(channel, new BrokerSignal.Acked(channel.Incarnation, sequence + 10_000, multiple: false)); // nonsense: the channel is not to be trusted
        bool? ack = true;
        if (message.RoutingKey == "nowhere" || Chance(Scenario.Returns * 0.1)) // bindings and queues change, also between two copies of one message
        {
            if (message.Mandatory)
            {
                attempt.Returns++;
                Signal(channel, new BrokerSignal.Returned(channel.Incarnation, slot, 312, "NO_ROUTE"));
            }
        }
        else if (message.RoutingKey == "full" || Chance(Scenario.Nacks * 0.1))
        {
            ack = false;
        }
        else
        {
            attempt.Stored++;
            if (attempt.Passes[^1] == channel)
                attempt.StoredAt = ++_stored;
            if (message.RoutingKey == "silent" && !IsHealed)
                ack = null; // a queue without a majority
            if (message.ReplyTo is { } replyTo)
                Work(channel, attempt, message, replyTo);
        }
        channel.Unanswered.Add(sequence, (attempt, ack));
        FlushLater(channel);
    }

    private void FlushLater(SimulatedChannel channel)
    {
        if (channel.FlushIsDue)
            return;
        channel.FlushIsDue = true;
        simulation.After(Latency(), () => WhenRead(channel.Connection, () =>
        {
            channel.FlushIsDue = false;
            if (channel.BrokerOpen)
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
        if (kind is not null && Random.Next(2) == 0)
        {
            List<ulong> prefix = [.. channel.Unanswered.TakeWhile(pair => pair.Value.Ack == kind).Select(pair => pair.Key)];
            Answer(channel, prefix.Take(Random.Next(1, prefix.Count + 1)).ToList(), kind.Value, multiple: true);
        }
        else
        {
            ulong one = ready[Random.Next(ready.Count)];
            Answer(channel, [one], channel.Unanswered[one].Ack!.Value, multiple: false);
        }
        if (channel.Unanswered.Values.Any(value => value.Ack is not null))
            FlushLater(channel);
    }

    private void Answer(SimulatedChannel channel, List<ulong> sequences, bool ack, bool multiple)
    {
        foreach (ulong sequence in sequences)
        {
            Attempt attempt = channel.Unanswered[sequence].Attempt;
            channel.Unanswered.Remove(sequence);
            if (ack)
                attempt.Acks++;
            else
                attempt.Nacks++;
        }
        Signal(channel, ack ? new BrokerSignal.Acked(channel.Incarnation, sequences[^1], multiple) : new BrokerSignal.Nacked(channel.Incarnation, sequences[^1], multiple));
    }

    private void Answer(SimulatedChannel channel, TopologyItem item)
    {
        if (!channel.BrokerOpen)
            return;
        switch (item)
        {
            case TopologyItem.ExchangeCheck check when check.Name != "secret" && !_exchanges.Contains(check.Name):
                simulation.Count("exchanges found missing beforehand");
                CloseByBroker(channel, 404, $"NOT_FOUND - no exchange '{check.Name}' in vhost '/'");
                return;
            case TopologyItem.Queue { Value.Name: "refused" }:
                CloseByBroker(channel, 406, "PRECONDITION_FAILED - inequivalent arg");
                return;
            case TopologyItem.Queue queue:
                _queues.Add(queue.Value.Name);
                break;
            case TopologyItem.ReplyQueue:
                string name = $"amq.gen-{++_names}";
                channel.IsReplyChannel = true;
                _replyQueues[name] = channel;
                Signal(channel, new BrokerSignal.Declared(channel.Incarnation, name), () => channel.AwaitsAnswer = false);
                return;
        }
        Signal(channel, new BrokerSignal.Declared(channel.Incarnation, ""), () => channel.AwaitsAnswer = false);
    }

    // The other side of a call.
    private void Work(SimulatedChannel channel, Attempt attempt, AmqpMessage request, string replyTo)
    {
        if (Chance(Scenario.LostReplies * 0.5))
            return;
        int copies = Chance(Scenario.LostReplies * 0.3) ? 2 : 1;
        for (int i = 0; i < copies; i++)
            simulation.After(Latency() * Random.Next(1, 20), () => Reply(channel, attempt, request, replyTo));
    }

    private void Reply(SimulatedChannel requests, Attempt attempt, AmqpMessage request, string replyTo)
    {
        attempt.Replies++;
        var reply = new AmqpMessage
        {
            CorrelationId = Chance(Scenario.LostReplies * 0.2) ? "somebody else" : request.CorrelationId,
            MessageId = request.MessageId,
            Headers = Random.Next(20) == 0 ? new Dictionary<string, object?> { [CallHeaders.Fault] = "Error" } : null,
        };
        if (replyTo == "fixed")
        {
            simulation.Post(new ActorCommand.Replied(reply.CorrelationId!, reply, new Completion<bool>()));
            return;
        }
        SimulatedChannel? channel = replyTo == "amq.rabbitmq.reply-to" ? requests : _replyQueues.GetValueOrDefault(replyTo);
        if (channel is { BrokerOpen: true, Consumes: true })
            WhenRead(channel.Connection, () => Send(channel, reply));
    }

    private void Deliver(SimulatedChannel channel)
    {
        if (!channel.BrokerOpen || !channel.Consumes || simulation.IsOver)
            return;
        if (channel.InHand < channel.Prefetch && !channel.Connection.IsFrozen)
            Send(channel, new AmqpMessage());
        simulation.After(TimeSpan.FromMilliseconds(1 + Random.Next(IsHealed ? 500 : 40)).Ticks, () => Deliver(channel));
    }

    private void Send(SimulatedChannel channel, AmqpMessage message)
    {
        if (!channel.BrokerOpen || !channel.Consumes)
            return;
        ulong tag = ++channel.LastTag;
        channel.InHand++;
        if (Chance(Scenario.BadAnswers * 0.05))
            tag = channel.LastTag += 3; // a hole
        Signal(channel, new BrokerSignal.Delivered(channel.Incarnation, tag, redelivered: false, message), () =>
        {
            if (!channel.ClientClosed && !channel.Confirms)
                channel.Unsettled.Add(tag);
        });
    }

    private void LoseQueue(SimulatedChannel consumer)
    {
        simulation.Note("queue is gone", consumer.Incarnation);
        simulation.Count("consumers cancelled by the broker");
        consumer.Consumes = false;
        string queue = consumer.Queue!;
        if (_queues.Remove(queue))
            simulation.After(TimeSpan.FromMilliseconds(Random.Next(2000)).Ticks, () => _queues.Add(queue));
        if (!consumer.Confirms)
            Signal(consumer, new BrokerSignal.ConsumerCancelled(consumer.Incarnation, byBroker: true));
    }

    private void CloseByBroker(SimulatedChannel channel, int code, string text)
    {
        simulation.Note("broker closes", channel.Incarnation, code);
        simulation.Count("channels closed by the broker");
        CloseAtBroker(channel);
        Signal(channel, new BrokerSignal.ChannelClosed(channel.Incarnation, new CloseReason(code, text, ByBroker: true)));
        // RabbitMQ.Client knows before its event is handled.
        simulation.At(channel.LastSignal - Math.Min(Latency(), channel.LastSignal - simulation.Now), () => channel.ClientKnowsClosed = true);
    }

    private void CloseAtBroker(SimulatedChannel channel)
    {
        channel.BrokerOpen = false;
        channel.Consumes = false;
    }

    private void Cut(SimulatedConnection connection)
    {
        simulation.Note("cut", connection.Epoch);
        simulation.Count("links lost");
        connection.IsCut = true;
        connection.LandsLate = Chance(0.5);
        connection.AnswersLost = Chance(0.5);
        Forget(connection);
        if (!Chance(0.1)) // else only the watchdog notices
            simulation.After(Latency(), () => simulation.Post(new BrokerSignal.LinkLost(connection.Epoch, new CloseReason(0, "reset", ByBroker: false))));
    }

    private void Forget(SimulatedConnection connection)
    {
        foreach (SimulatedChannel channel in connection.Channels)
        {
            channel.Consumes = false;
            foreach (var (name, _) in _replyQueues.Where(pair => pair.Value == channel).ToList())
                _replyQueues.Remove(name);
        }
    }

    private void Freeze(SimulatedConnection connection)
    {
        simulation.Note("freeze", connection.Epoch);
        simulation.Count("brokers frozen");
        connection.LastHeard = simulation.Now;
        connection.IsFrozen = true;
        simulation.After(TimeSpan.FromMilliseconds(Random.Next(100, 20_000)).Ticks, () => Thaw(connection));
    }

    private void Thaw(SimulatedConnection connection)
    {
        connection.IsFrozen = false;
        ReadOn(connection);
    }

    private void Block(SimulatedConnection connection)
    {
        simulation.Note("block", connection.Epoch);
        simulation.Count("links blocked");
        connection.IsBlocked = true;
        simulation.After(Latency(), () => simulation.Post(new BrokerSignal.Blocked(connection.Epoch, "memory")));
        simulation.After(TimeSpan.FromMilliseconds(Random.Next(10, 4_000)).Ticks, () => Unblock(connection));
        if (Chance(0.2))
            Cut(connection); // the news of both may come in either order
    }

    private void Unblock(SimulatedConnection connection)
    {
        if (!connection.IsBlocked)
            return;
        connection.IsBlocked = false;
        simulation.After(Scenario.Latency + Latency(), () => simulation.Post(new BrokerSignal.Unblocked(connection.Epoch)));
        ReadOn(connection);
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
        return some.Count == 0 ? null : some[Random.Next(some.Count)];
    }
}
