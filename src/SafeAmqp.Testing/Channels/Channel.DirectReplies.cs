using SafeAmqp.Testing.Queues;

namespace SafeAmqp.Testing.Channels;

/// <summary>
/// RabbitMQ's direct reply-to: replies go straight to the channel that asked, without a queue between.
/// </summary>
internal sealed partial class Channel
{
    private void ConsumeReplies(string tag, bool noAck, bool noWait)
    {
        if (!noAck)
            throw AmqpError.Precondition("reply consumer cannot acknowledge");
        if (_replyConsumer is not null)
            throw AmqpError.Precondition("reply consumer already set");
        if (tag.Length == 0)
            tag = Broker.NewName("amq.ctag-");
        _replyToken = Broker.NewName("");
        Host.DirectReplies[_replyToken] = this;
        _replyConsumer = new Consumer(this, tag, null, noAck: true, exclusive: false, 0, []);
        if (!noWait)
            Send(Writer.Start(Method.BasicConsumeOk).ShortString(tag));
    }

    private string DirectReplyAddress() => _replyToken is null
        ? throw AmqpError.Precondition("fast reply consumer does not exist")
        : $"{ReplyTo}.{_replyToken}";

    private void ForgetReplies()
    {
        Host.DirectReplies.Remove(_replyToken!);
        _replyToken = null;
        _replyConsumer = null;
    }

    /// <summary>
    /// A caller that is gone loses its reply, silently; that is the rule of direct reply-to. One that reads slowly does
    /// not: its replies have no queue to wait in, and gather in its output.
    /// </summary>
    private void DirectReply(Message message)
    {
        string token = message.RoutingKey[(ReplyTo.Length + 1)..];
        if (Host.DirectReplies.TryGetValue(token, out Channel? asker) && !asker.Connection.IsFrozen)
            asker.WriteDelivery(
                asker._replyConsumer!.Tag, asker._nextTag++, redelivered: false, message, message.Properties.Raw);
    }
}
