using System.Diagnostics;

namespace SafeAmqp.IntegrationTests.Calls;

// The broker's answer to a declare comes too late, or never: only that declare may fail.
public sealed class UnansweredDeclareTests(TestBroker broker) : CallTest(broker)
{
    [Theory, MemberData(nameof(Layouts))]
    public async Task A_declare_that_times_out_ends_nothing_else_neither_then_nor_when_its_answer_comes_late(
        AmqpConnectionLayout layout)
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(layout, options =>
        {
            options.Uri = relay.Uri;
            options.OperationTimeout = TimeSpan.FromSeconds(2); // what is answered is to be answered in time
        });
        RequestDesk desk = await DeskAsync();
        string queue = await NewQueueAsync(amqp), unanswered = NewName();
        var inbox = new Inbox();
        AmqpSubscription subscription = await amqp.ConsumeAsync(queue, inbox.HandleAsync, cancellationToken: Cancelled);
        Task<AmqpReply> call =
            amqp.CallAsync(AmqpMessage.ToQueue(desk.Queue, []), cancellationToken: Cancelled).AsTask();
        Request request = await desk.NextAsync();

        relay.Hold(method => method.IsQueueDeclareOk);
        var watch = Stopwatch.StartNew();
        Task declare = amqp.DeclareAsync(new AmqpTopology().Queue(unanswered), Cancelled);
        int sent = 0;
        while (!declare.IsCompleted)
        {
            await PublishAsync(amqp, queue, $"{sent++}");
            await inbox.NextAsync();
        }
        var error = await Assert.ThrowsAsync<AmqpTopologyException>(() => declare);
        Assert.InRange(watch.Elapsed, TimeSpan.FromSeconds(1.9), TimeSpan.FromSeconds(5));
        Assert.IsType<TimeoutException>(error.InnerException);
        Assert.Equal($"queue '{unanswered}'", error.Entity);
        Assert.Null(error.ReplyCode);
        Assert.True(sent > 1);
        Assert.True(relay.Held > 0); // the answer had been given, and did not come through

        await relay.ReleaseAsync(); // now it comes
        await amqp.DeclareAsync(new AmqpTopology().Queue(NewName()).Queue(unanswered), Cancelled);
        await PublishAsync(amqp, queue, "after");
        Assert.Equal("after", Text(await inbox.NextAsync()));
        await desk.ReplyAsync(request, "reply");
        Assert.Equal("reply", Text(await InTime(call)));
        Assert.Null(subscription.LastError);
        Assert.All(amqp.Status.Links, link => Assert.Equal((1, AmqpLinkState.Open), (link.Epoch, link.State)));
    }

    [Fact]
    public async Task A_consumer_that_is_not_confirmed_in_time_ends_nothing_else_and_stays_away()
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options =>
        {
            options.Uri = relay.Uri;
            options.OperationTimeout = TimeSpan.FromSeconds(2); // what is answered is to be answered in time
        });
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(amqp), unanswered = await NewQueueAsync(amqp);
        var inbox = new Inbox();
        AmqpSubscription subscription = await amqp.ConsumeAsync(queue, inbox.HandleAsync, cancellationToken: Cancelled);
        relay.Hold(method => method.IsConsumeOk);
        var error = await Assert.ThrowsAsync<AmqpTopologyException>(
            async () => await amqp.ConsumeAsync(unanswered, new Inbox().HandleAsync, cancellationToken: Cancelled));
        Assert.IsType<TimeoutException>(error.InnerException);
        Assert.Equal($"queue '{unanswered}'", error.Entity);
        Assert.True(relay.Held > 0);
        await PublishAsync(amqp, queue, "meanwhile");
        Assert.Equal("meanwhile", Text(await inbox.NextAsync()));
        await relay.ReleaseAsync();
        await UntilAsync(() => witness.ConsumersAsync(unanswered), consumers => consumers == 0);
        await PublishAsync(amqp, queue, "after");
        Assert.Equal("after", Text(await inbox.NextAsync()));
        Assert.Null(subscription.LastError);
        Assert.Equal(1, amqp.Status.Links[1].Epoch);
    }

    [Fact]
    public async Task A_cancelled_declare_ends_at_once_and_the_next_is_answered()
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = relay.Uri);
        string queue = await NewQueueAsync(amqp);
        relay.Hold(method => method.IsQueueDeclareOk);
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        Task declare = amqp.DeclareAsync(new AmqpTopology().Queue(NewName()), cancel.Token);
        await UntilAsync(() => relay.Held > 0);
        await cancel.CancelAsync();
        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => InTime(declare));
        Assert.Equal(cancel.Token, error.CancellationToken);
        await relay.ReleaseAsync();
        await amqp.DeclareAsync(new AmqpTopology().Queue(queue), Cancelled);
        Assert.Equal(1, amqp.Status.Links[0].Epoch);
    }
}
