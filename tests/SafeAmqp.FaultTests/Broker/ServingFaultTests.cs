using SafeAmqp.Testing;

namespace SafeAmqp.FaultTests.Broker;

// A server that is lost at the worst moment.
public sealed class ServingFaultTests : FaultCase
{
    [Theory, InlineData(false), InlineData(true)]
    public async Task A_server_lost_between_reply_and_acknowledgement_answers_again_and_its_caller_sees_one_reply(
        bool direct)
    {
        AmqpTestBroker broker = await BrokerAsync();
        AmqpClient caller = NewClient(broker.Uri.ToString()), server = NewClient(broker.Uri.ToString());
        await caller.DeclareAsync(new AmqpTopology().Queue("work"), Cancelled);
        int handled = 0;
        await server.ServeAsync("work", (request, _) =>
        {
            int times = Interlocked.Increment(ref handled);
            Assert.Equal(times > 1, request.IsRedelivered);
            return ValueTask.FromResult(new AmqpMessage { Body = new[] { (byte)times } });
        }, cancellationToken: Cancelled);
        broker.Script(FaultTrigger.Ack().Times(1), FaultAction.Reset());
        AmqpReply reply = await caller.CallAsync(AmqpMessage.ToQueue("work", []), new AmqpCallOptions
        {
            Timeout = Limit,
            ReplyTo = direct ? AmqpReplyAddress.Direct : AmqpReplyAddress.Exclusive,
        }, Cancelled);
        Assert.Equal(1, reply.Body.Span[0]);
        await UntilAsync(() => caller.Status.Links[0].LateReplies == 1);
        Assert.Equal(2, handled);
        await UntilAsync(() => server.Status.Links[0].Consumers.Single().Unsettled == 0);
    }

    [Fact]
    public async Task A_lasting_reply_that_comes_back_or_is_nacked_is_followed_by_a_fault()
    {
        AmqpTestBroker broker = await BrokerAsync();
        AmqpClient caller = NewClient(broker.Uri.ToString()), server = NewClient(broker.Uri.ToString());
        await caller.DeclareAsync(new AmqpTopology().Queue("work").Queue("replies"), Cancelled);
        await server.ServeAsync("work", (request, _) => ValueTask.FromResult(new AmqpMessage { Body = request.Body }),
            cancellationToken: Cancelled);
        var options = new AmqpCallOptions { Timeout = Limit, ReplyTo = AmqpReplyAddress.Queue("replies") };
        foreach (var (action, type) in ((FaultAction, Type)[])[
            (FaultAction.Return(), typeof(AmqpReturnedException)), (FaultAction.Nack(), typeof(AmqpNackedException))])
        {
            broker.Script(FaultTrigger.Publish().Where(moment => moment.RoutingKey == "replies").Times(1), action);
            var error = Assert.IsType<AmqpRemoteException>(await EndOf(new ValueTask(
                caller.CallAsync(AmqpMessage.ToQueue("work", []), options, Cancelled).AsTask())));
            Assert.Equal(type.FullName, error.RemoteType);
        }
        await UntilAsync(() => server.Status.Links[0].Consumers.Single().Unsettled == 0);
    }
}
