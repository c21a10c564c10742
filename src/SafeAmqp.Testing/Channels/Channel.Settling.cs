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
        Settle(Take(tag, multiple), static (queue, entry) => queue.Acknowledge(entry), returns: false);
    }

    private void OnNack(ref MethodReader fields)
    {
        ulong tag = fields.LongLong();
        byte flags = fields.Octet();
        if (RecordSettlement(Method.BasicNack, "basic.nack", tag))
            return;
        List<Delivery> deliveries = Take(tag, (flags & 1) != 0);
        deliveries.ForEach(delivery => delivery.Queue.CheckRefusal());
        Refuse(deliveries, requeue: (flags & 2) != 0);
    }

    private void OnReject(ref MethodReader fields)
    {
        ulong tag = fields.LongLong();
        bool requeue = (fields.Octet() & 1) != 0;
        if (RecordSettlement(Method.BasicReject, "basic.reject", tag))
            return;
        List<Delivery> deliveries = Take(tag, multiple: false);
        deliveries.ForEach(delivery => delivery.Queue.CheckRefusal());
        Refuse(deliveries, requeue);
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
        List<Delivery> deliveries = Unacked.TakeUpTo(0);
        if (!Broker.Rules.SkipsRefusedOfStreams && deliveries.Exists(delivery => delivery.Queue.Arguments.IsStream))
            throw new AmqpError(ReplyCode.InternalError, "");
        Refuse(deliveries, requeue: true);
        if (answer)
            Send(Writer.Start(Method.BasicRecoverOk));
    }

    /// <summary>Gives one delivery back as if its receiver had asked for it, for scripts.</summary>
    public void Redeliver(ulong tag)
    {
        if (Unacked.TryTake(tag, out Delivery? delivery))
            Refuse([delivery], requeue: true);
    }

    private List<Delivery> Take(ulong tag, bool multiple)
    {
        if (multiple)
        {
            // Tag 0 settles all there are; any other has to be one that is out (60.80).
            if (tag != 0 && (tag >= _nextTag || Unacked.Count == 0))
                throw UnknownTag(tag);
            return Unacked.TakeUpTo(tag);
        }
        return Unacked.TryTake(tag, out Delivery? delivery) ? [delivery] : throw UnknownTag(tag);
    }

    private void Refuse(List<Delivery> deliveries, bool requeue)
    {
        if (requeue)
        {
            deliveries.Reverse();
            Settle(deliveries, static (queue, entry) => queue.Requeue(entry), returns: true);
        }
        else
        {
            Settle(deliveries, static (queue, entry) => queue.Reject(entry), returns: false);
        }
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
        Delivery? delivery = Unacked.Find(tag);
        Message? message = delivery?.Entry.Message;
        return Broker.Faults.Meets(new Faults.FaultScene(Connection, this, method)
        {
            Queue = delivery?.Queue.Name,
            Exchange = message?.Exchange,
            RoutingKey = message?.RoutingKey,
            Message = message,
            Properties = message?.Properties,
            DeliveryTag = tag,
        });
    }

    private static AmqpError UnknownTag(ulong tag) => AmqpError.Precondition($"unknown delivery tag {tag}");
}
