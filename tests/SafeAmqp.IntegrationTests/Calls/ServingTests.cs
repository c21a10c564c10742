using System.Collections.Concurrent;

namespace SafeAmqp.IntegrationTests.Calls;

// Servers under load and under faults: no request is lost, none is answered twice to its caller.
public sealed class ServingTests(TestBroker broker) : FaultTest(broker)
{
    private const int Many = 1000;

    private static AmqpCallOptions Patient => new() { Timeout = Limit };

    [Theory, InlineData(AmqpConnectionLayout.Separate), InlineData(AmqpConnectionLayout.Shared)]
    public async Task A_stop_during_a_thousand_requests_answers_those_that_were_begun_and_leaves_the_rest(
        AmqpConnectionLayout layout)
    {
        AmqpClient caller = await ConnectAsync();
        string queue = await NewQueueAsync(caller);
        var handled = new ConcurrentBag<int>();
        async Task<AmqpSubscription> ServeAsync()
        {
            AmqpClient server = await ConnectAsync(options => options.Layout = layout);
            return await server.ServeAsync(queue, (request, _) => EchoAsync(request, handled),
                new AmqpServeOptions { Consumer = new AmqpConsumerOptions { Concurrency = 4 } }, Cancelled);
        }
        AmqpSubscription first = await ServeAsync();
        Task<int>[] calls = [.. Enumerable.Range(0, Many).Select(number => CallAsync(caller, queue, number))];
        await UntilAsync(() => handled.Count > Many / 10);
        await first.DisposeAsync().AsTask().WaitAsync(Limit, Cancelled);
        int begun = handled.Count;
        // The broker has worked off what was answered: the rest is in the queue, and nothing is on its way
        await UntilAsync(() => calls.Count(call => call.IsCompletedSuccessfully) == begun);
        await ServeAsync();
        Assert.Equal(Enumerable.Range(0, Many), await Task.WhenAll(calls).WaitAsync(Limit, Cancelled));
        Assert.Equal(Many, handled.Count); // none was handled twice
        Assert.Equal(0, caller.Status.Links[0].LateReplies);
    }

    [Theory, InlineData("exclusive"), InlineData("direct")]
    public async Task A_callers_link_lost_with_a_thousand_calls_in_flight_ends_each_once_and_costs_the_server_nothing(
        string address)
    {
        AmqpClient caller = await ConnectAsync(), server = await ConnectAsync();
        string queue = await NewQueueAsync(caller);
        using var gate = new SemaphoreSlim(0);
        int handled = 0;
        AmqpSubscription serving = await server.ServeAsync(queue, async (request, _) =>
        {
            await gate.WaitAsync(Cancelled);
            Interlocked.Increment(ref handled);
            return new AmqpMessage { Body = request.Body };
        }, new AmqpServeOptions { Consumer = new AmqpConsumerOptions { Prefetch = Many, Concurrency = 8 } }, Cancelled);
        var options = new AmqpCallOptions
        {
            Timeout = Limit,
            ReplyTo = address == "direct" ? AmqpReplyAddress.Direct : AmqpReplyAddress.Exclusive,
        };
        Task<Exception?>[] calls = [.. Enumerable.Range(0, Many).Select(_ => EndOf(
            caller.CallAsync(AmqpMessage.ToQueue(queue, []), options, Cancelled).AsTask()))];
        await UntilAsync(() => server.Status.Links[0].Consumers.Single().Unsettled == Many);
        await caller.DisposeAsync();
        Exception?[] ends = await Task.WhenAll(calls).WaitAsync(Limit, Cancelled);
        Assert.All(ends, end => Assert.IsType<AmqpNoReplyException>(end));
        gate.Release(Many);
        await UntilAsync(() => server.Status.Links[0].Consumers.Single().Unsettled == 0);
        Assert.Equal(Many, handled);
        Assert.Null(serving.LastError);
        Assert.All(server.Status.Links, link => Assert.Equal(1, link.Epoch));
        AmqpClient next = await ConnectAsync();
        gate.Release();
        Assert.Equal(7, await CallAsync(next, queue, 7));
        // its acknowledgement follows the reply
        await UntilAsync(() => MessagesInAsync(queue), messages => messages == 0);
    }

    [Theory, InlineData(AmqpConnectionLayout.Separate), InlineData(AmqpConnectionLayout.Shared)]
    [Trait("Broker", "3.10")]
    public async Task A_server_under_an_alarm_holds_its_replies_and_gives_each_once_when_it_is_over(
        AmqpConnectionLayout layout)
    {
        const int count = 50;
        Broker.NeedControl();
        AmqpClient caller = await ConnectAsync(), server = await ConnectAsync(options => options.Layout = layout);
        string queue = await NewQueueAsync(caller), consumed = await NewQueueAsync(caller);
        await caller.PublishAllAsync(
            [.. Enumerable.Range(0, count).Select(_ => AmqpMessage.ToQueue(consumed, []))], Cancelled);
        using var gate = new SemaphoreSlim(0);
        var handled = new ConcurrentBag<int>();
        await server.ServeAsync(queue, async (request, _) =>
        {
            await gate.WaitAsync(Cancelled);
            return await EchoAsync(request, handled);
        }, cancellationToken: Cancelled);
        using var work = new SemaphoreSlim(0);
        int done = 0;
        await server.ConsumeAsync(consumed, async (_, lost) =>
        {
            await work.WaitAsync(lost);
            Interlocked.Increment(ref done);
            return AmqpSettlement.Ack;
        }, new AmqpConsumerOptions { Prefetch = 1 }, Cancelled);
        Task<int>[] calls = [.. Enumerable.Range(0, count).Select(number => CallAsync(caller, queue, number))];
        await UntilAsync(() => server.Status.Links[0].Consumers.Single(c => c.Queue == queue).Unsettled == count);
        Task found = await BlockAsync(server);
        gate.Release(count);
        await UntilAsync(() => handled.Count == count); // the worker does not wait for what cannot leave
        Assert.Equal(count, server.Status.Links[0].Consumers.Single(c => c.Queue == queue).Unsettled);
        Assert.DoesNotContain(calls, call => call.IsCompleted);
        if (layout == AmqpConnectionLayout.Separate)
        {
            work.Release(count); // each needs the acknowledgement of the one before
            await UntilAsync(() => Volatile.Read(ref done) == count);
        }
        await Broker.Node.SetMemoryAlarmAsync(false, Cancelled);
        Assert.Equal(Enumerable.Range(0, count), await Task.WhenAll(calls).WaitAsync(Limit, Cancelled));
        await found.WaitAsync(Limit, Cancelled);
        Assert.Equal(count, handled.Count);
        Assert.Equal(0, caller.Status.Links[0].LateReplies);
        work.Release(count);
    }

    [Fact]
    [Trait("Broker", "3.10")]
    public async Task One_reply_among_a_thousand_that_the_broker_refuses_costs_its_own_caller_alone_on_three_servers()
    {
        AmqpClient caller = await ConnectAsync();
        string queue = await NewQueueAsync(caller);
        const int bad = Many / 2;
        int timesBad = 0;
        var handled = new ConcurrentBag<int>();
        for (int i = 0; i < 3; i++)
        {
            AmqpClient server = await ConnectAsync();
            await server.ServeAsync(queue, async (request, _) =>
            {
                AmqpMessage reply = await EchoAsync(request, handled);
                if (BitConverter.ToInt32(request.Body.Span) != bad)
                    return reply;
                Interlocked.Increment(ref timesBad);
                return reply with { UserId = "somebody" }; // 406, and the channel is closed
            }, cancellationToken: Cancelled);
        }
        Task<int>[] calls = [.. Enumerable.Range(0, Many).Select(number => CallAsync(caller, queue, number))];
        var refused = await Assert.ThrowsAsync<AmqpRemoteException>(() => calls[bad].WaitAsync(Limit, Cancelled));
        Assert.Equal(typeof(AmqpRefusedException).FullName, refused.RemoteType);
        foreach (int number in Enumerable.Range(0, Many).Where(number => number != bad))
            Assert.Equal(number, await calls[number].WaitAsync(Limit, Cancelled));
        Assert.InRange(timesBad, 1, 4); // once more where it was among others
        // What a server holds when its channel closes comes again, each time
        Assert.All(handled.CountBy(number => number).Where(pair => pair.Key != bad),
            pair => Assert.InRange(pair.Value, 1, 1 + timesBad));
        await UntilAsync(() => MessagesInAsync(queue), messages => messages == 0);
    }

    [Fact]
    public async Task A_reply_to_a_queue_that_outlives_its_caller_is_confirmed_before_its_request_is_settled()
    {
        AmqpClient caller = await ConnectAsync(), server = await ConnectAsync();
        string queue = await NewQueueAsync(caller), replies = await NewQueueAsync(caller);
        var handled = new ConcurrentBag<int>();
        await server.ServeAsync(queue, (request, _) => EchoAsync(request, handled), cancellationToken: Cancelled);
        var options = new AmqpCallOptions { Timeout = Limit, ReplyTo = AmqpReplyAddress.Queue(replies) };
        Task<int>[] calls = [.. Enumerable.Range(0, Many)
            .Select(number => CallAsync(caller, queue, number, options))];
        Assert.Equal(Enumerable.Range(0, Many), await Task.WhenAll(calls).WaitAsync(Limit, Cancelled));
        Assert.Equal(Many, handled.Count);
        await UntilAsync(() => server.Status.Links[0].Consumers.Single().Unsettled == 0);
    }

    [Theory, InlineData(AmqpConnectionLayout.Separate), InlineData(AmqpConnectionLayout.Shared)]
    [Trait("Broker", "3.10")]
    public async Task An_exclusive_queue_is_served_on_the_link_that_declared_it_also_after_a_recovery(
        AmqpConnectionLayout layout)
    {
        AmqpClient caller = await ConnectAsync();
        AmqpClient server = await ConnectAsync(options => (options.Layout, options.ClientName) =
            (layout, options.ClientName + "-server"));
        string queue = NewName();
        await server.DeclareAsync(
            new AmqpTopology().With(new AmqpQueue { Name = queue, Exclusive = true, Durable = false }), Cancelled);
        var handled = new ConcurrentBag<int>();
        AmqpSubscription serving = await server.ServeAsync(
            queue, (request, _) => EchoAsync(request, handled), cancellationToken: Cancelled);
        Assert.Equal(1, await CallAsync(caller, queue, 1));
        int last = server.Status.Links.Count - 1;
        await Broker.Node.CloseAllConnectionsAsync("test", Cancelled);
        await UntilAsync(() => server.Status.Links[last].Epoch > 1 && serving.State == AmqpConsumerState.Live
            && caller.Status.Links.All(link => link.Epoch > 1) && server.Status.IsReady && caller.Status.IsReady);
        Assert.Equal(2, await CallAsync(caller, queue, 2));
    }

    private static ValueTask<AmqpMessage> EchoAsync(AmqpDelivery request, ConcurrentBag<int> handled)
    {
        handled.Add(BitConverter.ToInt32(request.Body.Span));
        return ValueTask.FromResult(new AmqpMessage { Body = request.Body });
    }

    private static async Task<int> CallAsync(AmqpClient caller, string queue, int number,
        AmqpCallOptions? options = null)
    {
        AmqpReply reply = await caller.CallAsync(
            AmqpMessage.ToQueue(queue, BitConverter.GetBytes(number)), options ?? Patient, Cancelled);
        return BitConverter.ToInt32(reply.Body.Span);
    }
}
