using SafeAmqp.Testing.Connections;
using SafeAmqp.Testing.Queues;
using SafeAmqp.Testing.Routing;

namespace SafeAmqp.Testing.Channels;

/// <summary>Class queue (AMQP 0-9-1, 50).</summary>
internal sealed partial class Channel
{
    private void OnQueueDeclare(ref MethodReader fields)
    {
        fields.Short();
        string name = Clean(fields.ShortString());
        byte flags = fields.Octet();
        Dictionary<string, object?> arguments = fields.Table();
        bool passive = (flags & 1) != 0, durable = (flags & 2) != 0, exclusive = (flags & 4) != 0,
            autoDelete = (flags & 8) != 0, noWait = (flags & 16) != 0;
        Broker.History.Received(this, "queue.declare", queue: name);
        if (Meets(Method.QueueDeclare, queue: name))
            return;
        if (name == ReplyTo || name.StartsWith(ReplyTo + ".", StringComparison.Ordinal))
        {
            DeclareReplyAddress(name, noWait);
            return;
        }
        BrokerQueue queue = passive ? Passive(name) : Declare(name, durable, exclusive, autoDelete, arguments);
        _lastQueue = queue.Name;
        queue.Touch();
        (int messages, int consumers) = queue.Counts;
        if (!noWait)
            Send(Writer.Start(Method.QueueDeclareOk).ShortString(queue.Name).Long((uint)messages)
                .Long((uint)consumers));
    }

    private BrokerQueue Passive(string name)
    {
        // Not the queue that was declared last, as an empty name is everywhere else (RabbitMQ).
        BrokerQueue queue = Host.Queue(name);
        queue.CheckAccess(Connection);
        return queue;
    }

    private BrokerQueue Declare(
        string name, bool durable, bool exclusive, bool autoDelete, Dictionary<string, object?> arguments)
    {
        bool isNamed = name.Length > 0;
        name = isNamed ? CheckName("queue", name) : Broker.NewName("amq.gen-");
        Require(Permission.Configure, "queue", name);
        string what = $"queue '{name}' in vhost '{Host.Name}'";
        if (Host.Queues.TryGetValue(name, out BrokerQueue? existing))
        {
            existing.CheckAccess(Connection);
            Equivalence.CheckField("durable", what, durable, existing.Durable);
            Equivalence.CheckField("auto_delete", what, autoDelete, existing.AutoDelete);
            if (exclusive != existing.Owner is not null)
                throw existing.Locked();
            existing.Arguments.CheckSame(arguments, name, Host.Name);
            return existing;
        }
        var read = QueueArguments.Read(arguments, name, Host.Name, Broker.Rules);
        if (read.DeadLetterExchange is { } target)
        {
            Require(Permission.Read, "queue", name);
            Require(Permission.Write, "exchange", target);
        }
        if (!isNamed && (read.IsQuorum || read.IsStream))
            throw AmqpError.Precondition($"Cannot declare a server-named queue for type {read.TypeName}");
        if ((read.IsQuorum || read.IsStream) && (!durable || exclusive || autoDelete))
            throw AmqpError.Precondition("invalid property "
                + $"'{(!durable ? "non-durable" : exclusive ? "exclusive-owner" : "auto-delete")}' for {what}");
        BrokerQueue queue = read.IsStream
            ? new StreamQueue(Host, name, read)
            : new MessageQueue(Host, name, durable, autoDelete, exclusive ? Connection : null, read);
        Host.Queues[name] = queue;
        if (exclusive)
            Connection.ExclusiveQueues.Add(queue);
        return queue;
    }

    private void DeclareReplyAddress(string name, bool noWait)
    {
        if (name != ReplyTo && !Host.DirectReplies.ContainsKey(name[(ReplyTo.Length + 1)..]))
            throw AmqpError.NotFound("queue", name, Host.Name);
        if (!noWait)
            Send(Writer.Start(Method.QueueDeclareOk).ShortString(name).Long(0).Long(1));
    }

    private void OnQueueBind(ref MethodReader fields)
    {
        fields.Short();
        string queue = fields.ShortString();
        string name = QueueName(queue);
        string exchange = fields.ShortString();
        string key = fields.ShortString();
        // Without a queue and a key, both are the name of the queue that was declared last (50.20).
        if (queue.Length == 0 && key.Length == 0)
            key = name;
        bool noWait = fields.Octet() != 0;
        Dictionary<string, object?> arguments = fields.Table();
        Broker.History.Received(this, "queue.bind", queue: name, exchange: exchange);
        if (Meets(Method.QueueBind, queue: name, exchange: exchange))
            return;
        Bind(name, exchange, key, arguments, bind: true);
        if (!noWait)
            Send(Writer.Start(Method.QueueBindOk));
    }

    private void OnQueueUnbind(ref MethodReader fields)
    {
        fields.Short();
        string queue = fields.ShortString();
        string name = QueueName(queue);
        string exchange = fields.ShortString();
        string key = fields.ShortString();
        // Without a queue and a key, both are the name of the queue that was declared last (50.20).
        if (queue.Length == 0 && key.Length == 0)
            key = name;
        Dictionary<string, object?> arguments = fields.Table();
        Broker.History.Received(this, "queue.unbind", queue: name, exchange: exchange);
        if (Meets(Method.QueueUnbind, queue: name, exchange: exchange))
            return;
        Bind(name, exchange, key, arguments, bind: false);
        Send(Writer.Start(Method.QueueUnbindOk));
    }

    private void Bind(string name, string exchange, string key, Dictionary<string, object?> arguments, bool bind)
    {
        Require(Permission.Write, "queue", name);
        RefuseDefault(exchange);
        Require(Permission.Read, "exchange", exchange);
        if (Host.Exchanges.TryGetValue(exchange, out Exchange? topics))
            RequireTopic(Permission.Read, topics, key);
        // Taking away what is not there is no error (RabbitMQ, unlike 50.50).
        if (!bind && (!Host.Queues.ContainsKey(name) || !Host.Exchanges.ContainsKey(exchange)))
            return;
        BrokerQueue queue = Host.Queue(name);
        queue.CheckAccess(Connection);
        var binding = new Binding(Host.Exchange(exchange), queue, key, arguments);
        if (bind) Host.Bind(binding);
        else Host.Unbind(binding);
    }

    private void OnQueuePurge(ref MethodReader fields)
    {
        fields.Short();
        string name = QueueName(fields.ShortString());
        bool noWait = fields.Octet() != 0;
        Broker.History.Received(this, "queue.purge", queue: name);
        if (Meets(Method.QueuePurge, queue: name))
            return;
        Require(Permission.Read, "queue", name);
        BrokerQueue queue = Host.Queue(name);
        queue.CheckAccess(Connection);
        int count = queue.Purge();
        if (!noWait)
            Send(Writer.Start(Method.QueuePurgeOk).Long((uint)count));
    }

    private void OnQueueDelete(ref MethodReader fields)
    {
        fields.Short();
        string name = QueueName(fields.ShortString());
        byte flags = fields.Octet();
        Broker.History.Received(this, "queue.delete", queue: name);
        if (Meets(Method.QueueDelete, queue: name))
            return;
        Require(Permission.Configure, "queue", name);
        int count = 0;
        // Deleting what is not there is no error (RabbitMQ, unlike 50.40).
        if (Host.Queues.TryGetValue(name, out BrokerQueue? queue))
        {
            queue.CheckAccess(Connection);
            queue.CheckDelete(ifUnused: (flags & 1) != 0, ifEmpty: (flags & 2) != 0);
            count = queue.Delete();
        }
        if ((flags & 4) == 0)
            Send(Writer.Start(Method.QueueDeleteOk).Long((uint)count));
    }
}
