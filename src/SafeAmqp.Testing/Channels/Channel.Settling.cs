using SafeAmqp.Testing.Queues;

namespace SafeAmqp.Testing.Channels;

/// <summary>
/// Acknowledging, rejecting and recovering deliveries (AMQP 0-9-1, 60.80 to 60.111; basic.nack is RabbitMQ's).
/// </summary>
internal sealed partial class Channel
{
    private void OnAck(ref MethodReader fields)
    {
        ulong tag = fields.LongLong();
        bool multiple = (fields.Octet() & 1) != 0;
        if (RecordSettlement(Method.BasicAck, "basic.ack", tag))
            return;
        Settle(Take(tag, multiple, refuses: false), static (queue, entry) => queue.Acknowledge(entry), returns: false);
    }

    private void OnNack(ref MethodReader fields)
    {
        ulong tag = fields.LongLong();
        byte flags = fields.Octet();
        if (RecordSettlement(Method.BasicNack, "basic.nack", tag))
            return;
        Refuse(Take(tag, (flags & 1) != 0, refuses: true), requeue: (flags & 2) != 0);
    }

    private void OnReject(ref MethodReader fields)
    {
        ulong tag = fields.LongLong();
        bool requeue = (fields.Octet() & 1) != 0;
        if (RecordSettlement(Method.BasicReject, "basic.reject", tag))
            return;
        Refuse(Take(tag, multiple: false, refuses: true), requeue);
    }

    private void OnRecover(ref MethodReader fields, bool answer)
    {
        bool requeue = fields.Octet() != 0;
        uint method = answer ? Method.BasicRecover : Method.BasicRecoverAsync;
        Broker.History.Received(this, Method.Name(method));
        if (Meets(method))
            return;
        if (!requeue)
            throw new AmqpError(ReplyCode.NotImplemented, "requeue=false");
        List<Delivery> deliveries = Unacked.UpTo(0);
        if (!Broker.Rules.SkipsRefusedOfStreams && deliveries.Exists(delivery => delivery.Queue.Arguments.IsStream))
            throw new AmqpError(ReplyCode.InternalError, "");
        deliveries.ForEach(Unacked.Remove);
        Refuse(deliveries, requeue: true);
        if (answer)
            Send(Writer.Start(Method.BasicRecoverOk));
    }

    /// <summary>Gives one delivery back as if its receiver had asked for it, for scripts.</summary>
    public void Redeliver(ulong tag)
    {
        if (Unacked.Find(tag) is not { } delivery)
            return;
        Unacked.Remove(delivery);
        Refuse([delivery], requeue: true);
    }

    private List<Delivery> Take(ulong tag, bool multiple, bool refuses)
    {
        // Tag 0 settles all there are; any other has to be one that is out (60.80).
        List<Delivery> deliveries = multiple && tag == 0 ? Unacked.UpTo(0)
            : Unacked.Find(tag) is not { } delivery ? throw AmqpError.Precondition($"unknown delivery tag {tag}")
            : multiple ? Unacked.UpTo(tag) : [delivery];
        if (refuses)
            deliveries.ForEach(delivery => delivery.Queue.CheckRefusal());
        deliveries.ForEach(Unacked.Remove);
        return deliveries;
    }

    /// <summary>
    /// A classic queue looks for the place of each, and has them at its head when the last one comes first; a quorum
    /// queue lines them up as they come.
    /// </summary>
    private static List<Delivery> InOrderOfReturn(List<Delivery> deliveries) =>
    [
        .. deliveries.Where(delivery => delivery.Queue.Arguments.IsQuorum),
        .. deliveries.Where(delivery => !delivery.Queue.Arguments.IsQuorum).Reverse(),
    ];

    private void Refuse(List<Delivery> deliveries, bool requeue)
    {
        if (requeue)
            Settle(
                InOrderOfReturn(deliveries),
                static (queue, entry) => queue.Requeue(entry, isLost: false), returns: true);
        else
            Settle(deliveries, static (queue, entry) => queue.Reject(entry), returns: false);
    }

    private void Settle(List<Delivery> deliveries, Action<BrokerQueue, QueueEntry> how, bool returns)
    {
        bool wasFull = !HasRoom;
        foreach (Delivery delivery in deliveries)
        {
            how(delivery.Queue, delivery.Entry);
            if (delivery.Consumer is not { } consumer)
                continue;
            consumer.Unacked--;
            _unackedByConsumers--;
            // Where the channel was full, it is not this consumer's turn but the next one's.
            if (!wasFull)
                delivery.Queue.Unblock(consumer);
        }
        if (wasFull)
            UnblockConsumers();
        BrokerQueue? last = null;
        foreach (Delivery delivery in deliveries)
        {
            if (delivery.Queue == last)
                continue;
            last = delivery.Queue;
            if (returns) last.Settled();
            else last.Dispatch();
        }
    }

    private bool RecordSettlement(uint method, string name, ulong tag)
    {
        Broker.History.Settled(this, name, tag);
        if (!Broker.Faults.Any)
            return false;
        Delivery? delivery = tag == 0 ? Unacked.Newest : Unacked.Find(tag);
        Message? message = delivery?.Entry.Message;
        return Broker.Faults.Meets(new Faults.FaultScene(Connection, this, method)
        {
            Queue = delivery?.Queue.Name,
            Exchange = message?.Exchange,
            RoutingKey = message?.RoutingKey,
            Message = message,
            Properties = message?.Properties,
            DeliveryTag = delivery?.Tag ?? tag,
        });
    }
}
