using SafeAmqp.Testing.Connections;
using SafeAmqp.Testing.Faults;
using SafeAmqp.Testing.Queues;

namespace SafeAmqp.Testing.Channels;

/// <summary>
/// Consumers and deliveries (AMQP 0-9-1, 60.10 to 60.72), with direct reply-to and consumer cancellation.
/// </summary>
internal sealed partial class Channel
{
    private readonly Dictionary<string, Consumer> _consumers = [];
    private ulong _nextTag = 1;
    private int _consumerPrefetch;
    private int _channelPrefetch;
    private int _unackedByConsumers;
    private string? _replyToken;
    private Consumer? _replyConsumer;
    private Consumer? _lastServed;
    private LoopTimers.Entry? _ackTimer;

    /// <summary>The limit of basic.qos with global leaves room.</summary>
    public bool HasRoom => _channelPrefetch == 0 || _unackedByConsumers < _channelPrefetch;

    public IEnumerable<Consumer> Consumers => _consumers.Values;

    /// <summary>There is room again: the consumer behind the one that was served last has its turn first.</summary>
    public void UnblockConsumers()
    {
        Consumer[] all = [.. _consumers.Values];
        int first = Array.IndexOf(all, _lastServed) + 1;
        Consumer[] inTurn = [.. all[first..], .. all[..first]];
        foreach (Consumer consumer in inTurn)
            consumer.Queue!.Unblock(consumer);
        foreach (Consumer consumer in inTurn)
            consumer.Queue!.Dispatch();
    }

    public void Deliver(Consumer consumer, QueueEntry entry)
    {
        ulong tag = _nextTag++;
        _lastServed = consumer;
        if (!consumer.NoAck)
        {
            Unacked.Add(new Delivery(tag, entry, consumer.Queue!, consumer, Broker.Loop.Timers.Now));
            consumer.Unacked++;
            _unackedByConsumers++;
            ArmAckTimeout();
        }
        Message message = entry.Message;
        if (Broker.Faults.Any && Broker.Faults.Meets(new FaultScene(Connection, this, Method.BasicDeliver)
        {
            Queue = consumer.Queue!.Name,
            Exchange = message.Exchange,
            RoutingKey = message.RoutingKey,
            Message = message,
            Consumer = consumer,
            Properties = message.Properties,
            DeliveryTag = tag,
        }))
            return;
        if (Connection.IsFrozen)
            return;
        byte[] properties = Properties(entry, consumer.Queue!, showsFirst: false);
        WriteDelivery(consumer.Tag, tag, entry.Redelivered, message, properties);
    }

    /// <summary>
    /// The queue is gone, or a script takes the consumer away: clients that can hear it are told
    /// (consumer_cancel_notify).
    /// </summary>
    public void QueueGone(Consumer consumer, bool notify)
    {
        if (!_consumers.Remove(consumer.Tag))
            return;
        consumer.IsCancelled = true;
        if (notify && Connection.Can("consumer_cancel_notify"))
            Send(Writer.Start(Method.BasicCancel).ShortString(consumer.Tag).Flag(true));
    }

    public void CancelByBroker(Consumer consumer)
    {
        QueueGone(consumer, notify: true);
        consumer.Queue!.Remove(consumer);
    }

    private void WriteDelivery(string consumerTag, ulong tag, bool redelivered, Message message, byte[] properties) =>
        Connection.Sender.Content(
            Number, Writer.Start(Method.BasicDeliver).ShortString(consumerTag).LongLong(tag).Flag(redelivered)
            .ShortString(message.Exchange).ShortString(message.RoutingKey), properties, message.Body);

    /// <summary>Quorum queues say how often the message came back to them (x-delivery-count).</summary>
    private static byte[] Properties(QueueEntry entry, BrokerQueue queue, bool showsFirst)
    {
        ContentProperties properties = entry.Message.Properties;
        int count = entry.DeliveryCount;
        if (count == 0 && queue.Arguments.ShowsRejections)
            count = entry.Message.Rejections;
        if (!queue.Arguments.IsQuorum || count == 0 && !showsFirst)
            return properties.Raw;
        var headers = new Dictionary<string, object?>(properties.ReadHeaders()) { ["x-delivery-count"] = (long)count };
        return properties.With((ContentProperties.HeadersIndex, headers)).Raw;
    }

    private void OnQos(ref MethodReader fields)
    {
        uint size = fields.Long();
        int count = fields.Short();
        bool global = fields.Octet() != 0;
        Broker.History.Received(this, "basic.qos");
        if (Meets(Method.BasicQos))
            return;
        if (size != 0)
            throw new AmqpError(ReplyCode.NotImplemented, $"prefetch_size!=0 ({size})");
        // A limit for each consumer takes that of the channel away (RabbitMQ).
        _channelPrefetch = global ? count : 0;
        if (!global)
            _consumerPrefetch = count;
        Send(Writer.Start(Method.BasicQosOk));
        UnblockConsumers();
    }

    private void OnConsume(ref MethodReader fields)
    {
        fields.Short();
        string name = fields.ShortString();
        string tag = fields.ShortString();
        byte flags = fields.Octet();
        Dictionary<string, object?> arguments = fields.Table();
        bool noAck = (flags & 2) != 0, exclusive = (flags & 4) != 0, noWait = (flags & 8) != 0;
        Broker.History.Received(this, "basic.consume", queue: name);
        if (Meets(Method.BasicConsume, queue: name))
            return;
        if (_consumers.ContainsKey(tag))
            throw new AmqpError(ReplyCode.NotAllowed, $"attempt to reuse consumer tag '{tag}'");
        if (name == ReplyTo)
        {
            ConsumeReplies(tag, noAck, noWait);
            return;
        }
        name = QueueName(name);
        Require(Permission.Read, "queue", name);
        BrokerQueue queue = Host.Queue(name);
        queue.CheckAccess(Connection);
        if (_channelPrefetch > 0 && queue.Arguments.IsQuorum)
        {
            string text = $"queue '{name}' in vhost '{Host.Name}' does not support global qos";
            throw new AmqpError(ReplyCode.NotImplemented, text);
        }
        if (arguments.Keys.FirstOrDefault(argument => !queue.Arguments.ConsumesWith(argument)) is { } bad)
            throw AmqpError.Precondition($"invalid arg '{bad}' for queue '{name}' in vhost '{Host.Name}' of queue type "
                + $"{queue.Arguments.TypeName}");
        if (arguments.TryGetValue("x-priority", out object? priority) && FieldTable.Integer(priority) is null)
            throw AmqpError.Precondition($"invalid arg 'x-priority' for queue '{name}' in vhost "
                + $"'{Host.Name}': \"expected integer, got {FieldTableWriter.TypeName(priority)}\"");
        if (tag.Length == 0)
            tag = Broker.NewName("amq.ctag-");
        var consumer = new Consumer(this, tag, queue, noAck, exclusive, _consumerPrefetch, arguments);
        queue.Add(consumer);
        _consumers.Add(tag, consumer);
        if (!noWait)
            Send(Writer.Start(Method.BasicConsumeOk).ShortString(tag));
        queue.Dispatch();
    }

    private void OnCancel(ref MethodReader fields)
    {
        string tag = fields.ShortString();
        bool noWait = fields.Octet() != 0;
        Broker.History.Received(this, "basic.cancel");
        if (Meets(Method.BasicCancel, queue: _consumers.GetValueOrDefault(tag)?.Queue!.Name))
            return;
        if (_replyConsumer?.Tag == tag)
        {
            ForgetReplies();
        }
        else if (_consumers.Remove(tag, out Consumer? consumer))
        {
            consumer.IsCancelled = true;
            consumer.Queue!.Remove(consumer);
        }
        if (!noWait)
            Send(Writer.Start(Method.BasicCancelOk).ShortString(tag));
    }

    private void OnGet(ref MethodReader fields)
    {
        fields.Short();
        string name = QueueName(fields.ShortString());
        bool noAck = (fields.Octet() & 1) != 0;
        Broker.History.Received(this, "basic.get", queue: name);
        if (Meets(Method.BasicGet, queue: name))
            return;
        Require(Permission.Read, "queue", name);
        BrokerQueue queue = Host.Queue(name);
        queue.CheckAccess(Connection);
        queue.CheckGet();
        queue.Touch();
        QueueEntry? entry = queue.Take(noAck);
        if (entry is null)
        {
            Send(Writer.Start(Method.BasicGetEmpty).ShortString(""));
            return;
        }
        ulong tag = _nextTag++;
        if (!noAck)
        {
            Unacked.Add(new Delivery(tag, entry, queue, null, Broker.Loop.Timers.Now));
            ArmAckTimeout();
        }
        Message message = entry.Message;
        if (!Connection.IsFrozen)
        {
            MethodWriter ok = Writer.Start(Method.BasicGetOk).LongLong(tag).Flag(entry.Redelivered)
                .ShortString(message.Exchange).ShortString(message.RoutingKey).Long((uint)queue.ReadyCount);
            byte[] properties = Properties(entry, queue, Broker.Rules.ShowsFirstDelivery);
            Connection.Sender.Content(Number, ok, properties, message.Body);
        }
    }

    private void ArmAckTimeout()
    {
        if (_ackTimer is not null || Unacked.Oldest is not { } oldest || Timeout(oldest) is not (> 0 and var first))
            return;
        _ackTimer = Broker.Loop.Timers.After(oldest.At + first - Broker.Loop.Timers.Now, () =>
        {
            _ackTimer = null;
            if (Unacked.Oldest is { } late && Timeout(late) is > 0 and var timeout
                && late.At + timeout <= Broker.Loop.Timers.Now)
                Fail(
                    AmqpError.Precondition(
                        $"delivery acknowledgement on channel {Number} timed out. Timeout value used: {timeout} "
                            + "ms. This timeout value can be configured, see consumers doc guide to learn more"),
                    0);
            else
                ArmAckTimeout();
        });

        long Timeout(Delivery delivery) =>
            delivery.Queue.Arguments.ConsumerTimeout ?? (long)Broker.Options.ConsumerTimeout.TotalMilliseconds;
    }
}
