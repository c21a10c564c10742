using SafeAmqp.Testing.Connections;
using SafeAmqp.Testing.Queues;
using SafeAmqp.Testing.Routing;

namespace SafeAmqp.Testing.Channels;

/// <summary>One channel: methods are done in the order in which they came (AMQP 0-9-1, 2.2.5).</summary>
internal sealed partial class Channel
{
    private string _lastQueue = "";
    private bool _isClosing;
    private bool _isReleased;

    public Channel(Connection connection, ushort number)
    {
        Connection = connection;
        Number = number;
        Confirms = new ConfirmLedger(this);
        Unacked = new UnackedLedger();
    }

    public Connection Connection { get; }

    public ushort Number { get; }

    public BrokerState Broker => Connection.Broker;

    public VirtualHost Host => Connection.Host;

    public ConfirmLedger Confirms { get; }

    public UnackedLedger Unacked { get; }

    private MethodWriter Writer => Broker.Writer;

    public void OnFrame(Frame frame, uint method)
    {
        if (_isClosing)
        {
            WhileClosing(method);
            return;
        }
        switch (frame.Type)
        {
            case Frame.Header: OnHeader(frame.Payload); break;
            case Frame.Body: OnBody(frame.Payload); break;
            default: OnMethod(method, frame.Payload[4..]); break;
        }
    }

    /// <summary>Closes this channel only; the connection and its other channels live on.</summary>
    public void Fail(AmqpError error, uint method)
    {
        if (_isClosing)
            return;
        Broker.History.Failed(Connection, this, error);
        Confirms.Flush();
        Release();
        _isClosing = true;
        Send(Writer.Start(Method.ChannelClose).Short(error.Code).ShortString(error.Text).Short(Method.Class(method))
            .Short(Method.Number(method)));
    }

    /// <summary>
    /// Gives up all that it holds: consumers first, so that nothing comes back to them, then the messages.
    /// </summary>
    public void Release()
    {
        if (_isReleased)
            return;
        _isReleased = true;
        Confirms.Abandon();
        _ackTimer?.Cancel();
        if (_replyToken is not null)
            Host.DirectReplies.Remove(_replyToken);
        Consumer[] consumers = [.. _consumers.Values];
        _consumers.Clear();
        var touched = new HashSet<BrokerQueue>();
        foreach (Consumer consumer in consumers)
            consumer.IsCancelled = true;
        List<Delivery> deliveries = Unacked.UpTo(0);
        deliveries.ForEach(Unacked.Remove);
        foreach (Delivery delivery in InOrderOfReturn(deliveries))
        {
            delivery.Queue.Requeue(delivery.Entry, isLost: true);
            touched.Add(delivery.Queue);
        }
        foreach (Consumer consumer in consumers)
            consumer.Queue!.Remove(consumer);
        foreach (BrokerQueue queue in touched)
            queue.Settled();
    }

    public void Send(MethodWriter method) => Connection.Send(Number, method);

    private void WhileClosing(uint method)
    {
        if (method == Method.ChannelClose)
            Send(Writer.Start(Method.ChannelCloseOk));
        else if (method == Method.ChannelCloseOk)
            Connection.Forget(this);
    }

    private void OnMethod(uint method, ReadOnlySpan<byte> payload)
    {
        if (_awaited != Awaited.Method)
            throw UnexpectedContent();
        if (method == Method.BasicPublish)
        {
            OnPublish(payload);
            return;
        }
        var fields = new MethodReader(payload);
        switch (method)
        {
            case Method.BasicAck: OnAck(ref fields); break;
            case Method.BasicNack: OnNack(ref fields); break;
            case Method.BasicReject: OnReject(ref fields); break;
            default: OnSlowMethod(method, ref fields); break;
        }
    }

    private void OnSlowMethod(uint method, ref MethodReader fields)
    {
        if (!Method.IsKnown(method))
            throw new AmqpError(
                ReplyCode.CommandInvalid, $"unknown method {{{Method.Class(method)},{Method.Number(method)}}}");
        switch (method)
        {
            case Method.ChannelOpen: throw new AmqpError(ReplyCode.ChannelError, "second 'channel.open' seen");
            case Method.ChannelFlow: OnFlow(ref fields); break;
            case Method.ChannelClose: OnClose(); break;
            case Method.ChannelCloseOk or Method.ChannelFlowOk or Method.BasicCancelOk: break;
            case Method.ExchangeDeclare: OnExchangeDeclare(ref fields); break;
            case Method.ExchangeDelete: OnExchangeDelete(ref fields); break;
            case Method.ExchangeBind: OnExchangeBind(ref fields, bind: true); break;
            case Method.ExchangeUnbind: OnExchangeBind(ref fields, bind: false); break;
            case Method.QueueDeclare: OnQueueDeclare(ref fields); break;
            case Method.QueueBind: OnQueueBind(ref fields); break;
            case Method.QueueUnbind: OnQueueUnbind(ref fields); break;
            case Method.QueuePurge: OnQueuePurge(ref fields); break;
            case Method.QueueDelete: OnQueueDelete(ref fields); break;
            case Method.BasicQos: OnQos(ref fields); break;
            case Method.BasicConsume: OnConsume(ref fields); break;
            case Method.BasicCancel: OnCancel(ref fields); break;
            case Method.BasicGet: OnGet(ref fields); break;
            case Method.BasicRecover: OnRecover(ref fields, answer: true); break;
            case Method.BasicRecoverAsync: OnRecover(ref fields, answer: false); break;
            case Method.ConfirmSelect: OnConfirmSelect(ref fields); break;
            case Method.TxSelect or Method.TxCommit or Method.TxRollback: OnTransaction(method); break;
            default: throw new AmqpError(ReplyCode.CommandInvalid, "unimplemented method");
        }
    }

    private void OnClose()
    {
        Broker.History.Received(this, "channel.close");
        if (Meets(Method.ChannelClose))
            return;
        Confirms.Flush();
        Release();
        Send(Writer.Start(Method.ChannelCloseOk));
        Connection.Forget(this);
    }

    private void OnFlow(ref MethodReader fields)
    {
        bool active = fields.Octet() != 0;
        Broker.History.Received(this, "channel.flow");
        if (Meets(Method.ChannelFlow))
            return;
        if (!active)
            throw new AmqpError(ReplyCode.NotImplemented, "active=false");
        Send(Writer.Start(Method.ChannelFlowOk).Flag(true));
    }

    private void OnConfirmSelect(ref MethodReader fields)
    {
        bool noWait = fields.Octet() != 0;
        Broker.History.Received(this, "confirm.select");
        if (Meets(Method.ConfirmSelect))
            return;
        Confirms.IsOn = true;
        if (!noWait)
            Send(Writer.Start(Method.ConfirmSelectOk));
    }

    private void OnTransaction(uint method)
    {
        Broker.History.Received(this, Method.Name(method));
        if (Meets(method))
            return;
        if (method != Method.TxSelect)
            throw AmqpError.Precondition("channel is not transactional");
        throw Confirms.IsOn
            ? AmqpError.Precondition("cannot switch from confirm to tx mode")
            : new AmqpError(
                ReplyCode.NotImplemented,
                "transactions are not supported by this broker: use publisher confirms (confirm.select)");
    }

    /// <summary>An empty name means the queue that was declared last on this channel (50.20).</summary>
    private string QueueName(string name)
    {
        if (name.Length > 0)
            return name;
        return _lastQueue.Length > 0 ? _lastQueue : throw new AmqpError(
            ReplyCode.NotFound, "no previously declared queue");
    }

    private void Require(Permission permission, string kind, string name)
    {
        if (!Connection.User.May(Host.Name, permission, name))
            throw Refused(permission, $"{kind} '{(name.Length == 0 ? "amq.default" : name)}'");
    }

    /// <summary>Of topic exchanges only some routing keys may be allowed to a user.</summary>
    private void RequireTopic(Permission permission, Exchange exchange, string key)
    {
        if (exchange.Type != "topic" || !Connection.User.Topics.Any
            || Connection.User.Topics.May(Host.Name, exchange.Name, permission, key))
            return;
        throw Refused(permission, $"topic '{key}' in exchange '{exchange.Name}'");
    }

    private AmqpError Refused(Permission permission, string what)
    {
        string missing = !Broker.Rules.NamesPermission ? "" : permission switch
        {
            Permission.Configure => "configure ",
            Permission.Write => "write ",
            _ => "read ",
        };
        string text = $"{missing}access to {what} in vhost '{Host.Name}' refused for user '{Connection.User.Name}'";
        return new AmqpError(ReplyCode.AccessRefused, text);
    }

    private bool Meets(uint method, string? queue = null, string? exchange = null) =>
        Broker.Faults.Any && Broker.Faults.Meets(new Faults.FaultScene(Connection, this, method)
        {
            Queue = queue,
            Exchange = exchange
        });
}
