using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json.Serialization;

namespace SafeAmqp.IntegrationTests.Calls;

// One request with many replies.
[Trait("Broker", "3.10")]
public sealed partial class CallManyTests(TestBroker broker) : CallTest(broker)
{
    private static readonly AmqpServeOptions Several = new() { Consumer = new AmqpConsumerOptions { Concurrency = 4 } };

    [Theory, MemberData(nameof(Layouts))]
    public async Task Replies_come_in_their_order_until_the_last(AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(layout);
        string queue = await NewQueueAsync(amqp);
        await amqp.ServeManyAsync(queue, CountAsync, Several, Cancelled);

        foreach (int count in (int[])[0, 1, 99, 100, 101, 1000])
            Assert.Equal(Numbers(count), await AllAsync(amqp, queue, count));
        foreach (int prefetch in (int[])[1, 2, 7])
            Assert.Equal(Numbers(30), await AllAsync(amqp, queue, 30, new AmqpCallManyOptions { Prefetch = prefetch }));
        string[][] together = await Task.WhenAll(Enumerable.Range(0, 8).Select(n => AllAsync(amqp, queue, 100 + n)));
        Assert.Equal(Enumerable.Range(0, 8).Select(n => Numbers(100 + n)), together);
        await UntilAsync(() => amqp.Status.Links[^1].Consumers.All(consumer => consumer.Unsettled == 0));
    }

    [Fact]
    public async Task A_server_sends_no_more_than_its_caller_takes_ahead()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        int made = 0;
        await amqp.ServeManyAsync(queue, (request, abandoned) => request.Message.Type == "slow"
            ? CountedAsync(abandoned) : CountAsync(request, abandoned), Several, Cancelled);
        async IAsyncEnumerable<AmqpMessage> CountedAsync([EnumeratorCancellation] CancellationToken abandoned)
        {
            for (int number = 0; number < 50; number++)
            {
                Volatile.Write(ref made, number + 1);
                yield return Number(number);
            }
            await Task.CompletedTask.WaitAsync(abandoned);
        }

        int read = 0;
        AmqpMessage slow = AmqpMessage.ToQueue(queue, Bytes("50")) with { Type = "slow" };
        await foreach (AmqpReply reply in amqp.CallManyAsync(slow, new AmqpCallManyOptions { Prefetch = 5 }, Cancelled))
        {
            Assert.Equal($"{read}", Text(reply));
            if (read++ is 0 or 20)
            {
                int most = read + 5 + 1; // the last was made, and waits
                await AllAsync(amqp, queue, 100); // which takes longer than to make too many
                Assert.InRange(Volatile.Read(ref made), read, most);
            }
        }
        Assert.Equal(50, read);
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    [InlineData(true, false)]
    public async Task A_loop_that_is_left_reaches_the_server(bool byToken, bool afterReply)
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var abandonment = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await amqp.ServeManyAsync(queue, (request, abandoned) => EndlessAsync(abandoned), cancellationToken: Cancelled);
        async IAsyncEnumerable<AmqpMessage> EndlessAsync([EnumeratorCancellation] CancellationToken abandoned)
        {
            try
            {
                begun.TrySetResult();
                await go.Task.WaitAsync(Limit, CancellationToken.None);
                yield return Number(0);
                await Task.Delay(Timeout.Infinite, abandoned);
            }
            finally
            {
                // Not by a registration: what its token ends may have undone that before it is called
                if (abandoned.IsCancellationRequested)
                    abandonment.TrySetResult();
            }
        }

        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        if (afterReply)
            go.SetResult();
        IAsyncEnumerator<AmqpReply> replies =
            amqp.CallManyAsync(AmqpMessage.ToQueue(queue, Bytes("")), null, cancel.Token).GetAsyncEnumerator(Cancelled);
        Task<bool> next = replies.MoveNextAsync().AsTask();
        await begun.Task.WaitAsync(Limit, Cancelled);
        if (afterReply)
            Assert.True(await next.WaitAsync(Limit, Cancelled));
        if (byToken || !afterReply)
        {
            next = afterReply ? replies.MoveNextAsync().AsTask() : next;
            await cancel.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => next);
        }
        await replies.DisposeAsync();
        go.TrySetResult();

        if (await Task.WhenAny(abandonment.Task, Task.Delay(Limit, Cancelled)) != abandonment.Task)
            Assert.Fail($"The server did not hear of it: {amqp.Status}");
        await UntilAsync(() => amqp.Status.Links[1].Consumers.All(consumer => consumer.Unsettled == 0));
    }

    [Fact]
    public async Task Whatever_ends_the_replies_is_known_behind_those_before_it()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp), silent = await NewQueueAsync(amqp);
        await amqp.ServeManyAsync(queue, (request, abandoned) => Text(request) switch
        {
            "fails" => FailingAsync(new FormatException("not a number")),
            "unsendable" => FailingAsync(null),
            _ => HangingAsync(abandoned),
        }, Several, Cancelled);
        static async IAsyncEnumerable<AmqpMessage> FailingAsync(Exception? error)
        {
            yield return Number(0);
            yield return Number(1);
            await Task.Yield();
            if (error is not null)
                throw error;
            yield return new AmqpMessage { Headers = new Dictionary<string, object?> { ["x"] = new object() } };
        }
        static async IAsyncEnumerable<AmqpMessage> HangingAsync([EnumeratorCancellation] CancellationToken abandoned)
        {
            yield return Number(0);
            await Task.Delay(Timeout.Infinite, abandoned);
        }

        var (read, error) = await ReadAsync(amqp, queue, "fails");
        Assert.Equal(["0", "1"], read);
        Assert.Equal("System.FormatException", Assert.IsType<AmqpRemoteException>(error).RemoteType);

        (read, error) = await ReadAsync(amqp, queue, "unsendable");
        Assert.Equal(["0", "1"], read);
        Assert.IsType<AmqpRemoteException>(error);

        var soon = new AmqpCallManyOptions { IdleTimeout = TimeSpan.FromMilliseconds(500) };
        (read, error) = await ReadAsync(amqp, queue, "hangs", soon);
        Assert.Equal(["0"], read);
        Assert.Equal(AmqpOutcome.Confirmed, Assert.IsType<AmqpNoReplyException>(error).Outcome);
        Assert.Contains("after 1 replies none came within 0.5", error.Message, StringComparison.Ordinal);

        (read, error) = await ReadAsync(amqp, silent, "silent", soon);
        Assert.Empty(read);
        Assert.IsType<AmqpNoReplyException>(error);

        (_, error) = await ReadAsync(amqp, NewName(), "no queue");
        Assert.IsType<AmqpReturnedException>(error);
        await UntilAsync(() => amqp.Status.Links[1].Consumers.All(consumer => consumer.Unsettled == 0));
    }

    [Fact]
    public async Task One_reply_where_many_are_taken_is_the_last_and_many_where_one_is_taken_are_refused()
    {
        AmqpClient amqp = await ConnectAsync();
        string one = await NewQueueAsync(amqp), many = await NewQueueAsync(amqp);
        await amqp.ServeAsync(one, (request, _) => Text(request) == "fails" ? throw new FormatException()
            : new(Number(7)), cancellationToken: Cancelled);
        await amqp.ServeManyAsync(many, CountAsync, cancellationToken: Cancelled);

        Assert.Equal(["7"], (await ReadAsync(amqp, one, "")).Read);
        Assert.IsType<AmqpRemoteException>((await ReadAsync(amqp, one, "fails")).Error);
        var error = await Assert.ThrowsAsync<AmqpRemoteException>(
            async () => await amqp.CallAsync(AmqpMessage.ToQueue(many, Bytes("3")), cancellationToken: Cancelled));
        Assert.Contains(nameof(IAmqpClient.CallManyAsync), error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_server_that_is_lost_is_followed_by_another_only_where_nothing_has_come(bool afterReply)
    {
        FrameRelay relay = NewRelay();
        AmqpClient caller = await ConnectAsync(), first = await ConnectAsync(options => options.Uri = relay.Uri);
        string queue = await NewQueueAsync(caller);
        int runs = 0;
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await first.ServeManyAsync(queue, (request, abandoned) => RunAsync(abandoned), cancellationToken: Cancelled);
        async IAsyncEnumerable<AmqpMessage> RunAsync([EnumeratorCancellation] CancellationToken abandoned)
        {
            bool hangs = Interlocked.Increment(ref runs) == 1;
            if (afterReply || !hangs)
                yield return Number(0);
            begun.TrySetResult();
            if (hangs)
                await Task.Delay(Timeout.Infinite, abandoned);
            yield return Number(1);
        }

        IAsyncEnumerator<AmqpReply> replies =
            caller.CallManyAsync(AmqpMessage.ToQueue(queue, Bytes("")), null, Cancelled).GetAsyncEnumerator(Cancelled);
        await using (replies)
        {
            Task<bool> next = replies.MoveNextAsync().AsTask();
            await InTime(begun.Task);
            if (afterReply)
                Assert.True(await InTime(next));
            relay.Cut();
            if (afterReply)
            {
                var error = await Assert.ThrowsAsync<AmqpNoReplyException>(() => InTime(replies.MoveNextAsync()));
                Assert.Contains("begun anew", error.Message, StringComparison.Ordinal);
            }
            else
            {
                Assert.True(await InTime(next));
                Assert.Equal("0", Text(replies.Current));
                Assert.True(await InTime(replies.MoveNextAsync()));
                Assert.False(await InTime(replies.MoveNextAsync()));
            }
        }
        Assert.Equal(2, runs);
    }

    [Fact]
    public async Task A_lost_way_back_ends_the_call_at_once_and_its_server_learns_of_it()
    {
        FrameRelay relay = NewRelay();
        AmqpClient server = await ConnectAsync(), caller = await ConnectAsync(options => options.Uri = relay.Uri);
        string queue = await NewQueueAsync(server);
        var abandonment = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await server.ServeManyAsync(queue, (request, abandoned) => RunAsync(), cancellationToken: Cancelled);
        async IAsyncEnumerable<AmqpMessage> RunAsync()
        {
            try
            {
                yield return Number(0);
                await go.Task;
                for (int number = 1; number < 100; number++)
                    yield return Number(number);
            }
            finally
            {
                abandonment.TrySetResult();
            }
        }

        IAsyncEnumerator<AmqpReply> replies = caller.CallManyAsync(AmqpMessage.ToQueue(queue, Bytes("")),
            new AmqpCallManyOptions { IdleTimeout = TimeSpan.FromMinutes(5) }, Cancelled).GetAsyncEnumerator(Cancelled);
        await using (replies)
        {
            Assert.True(await InTime(replies.MoveNextAsync()));
            relay.Cut();
            await Assert.ThrowsAsync<AmqpNoReplyException>(() => InTime(replies.MoveNextAsync()));
        }
        go.SetResult();
        await InTime(abandonment.Task);
        await UntilAsync(() => server.Status.Links[1].Consumers.All(consumer => consumer.Unsettled == 0));
        Assert.Equal(["0"], (await ReadAsync(caller, queue, "")).Read.Take(1)); // and it goes on
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)] // as drivers do
    [InlineData(true, true)]
    public async Task A_server_that_stops_leaves_the_request_to_others_or_says_so(bool afterReply, bool isWrapped)
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        AmqpSubscription server = await amqp.ServeManyAsync(queue, (request, abandoned) => RunAsync(abandoned),
            cancellationToken: Cancelled);
        async IAsyncEnumerable<AmqpMessage> RunAsync([EnumeratorCancellation] CancellationToken abandoned)
        {
            if (afterReply)
                yield return Number(0);
            begun.TrySetResult();
            try
            {
                await Task.Delay(Timeout.Infinite, abandoned);
            }
            catch (OperationCanceledException cancelled) when (isWrapped)
            {
                throw new InvalidOperationException("The driver failed.", cancelled);
            }
        }

        Task<(string[] Read, Exception? Error)> read = ReadAsync(amqp, queue, "2");
        await InTime(begun.Task);
        await InTime(server.StopAsync(Cancelled));
        await amqp.ServeManyAsync(queue, CountAsync, cancellationToken: Cancelled);

        (string[] all, Exception? error) = await InTime(read);
        Assert.Equal(afterReply ? ["0"] : ["0", "1"], all);
        if (afterReply)
            Assert.Contains("The server was stopped", Assert.IsType<AmqpRemoteException>(error).Message,
                StringComparison.Ordinal);
        else
            Assert.Null(error);
    }

    [Fact]
    public async Task Values_go_both_ways()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        var json = new AmqpJsonSerializer();
        await amqp.ServeManyAsync<int, string>(queue, json, (count, _, _) => Numbers(count).ToAsyncEnumerable(),
            cancellationToken: Cancelled);

        Assert.Equal(["0", "1", "2"], await amqp.CallManyAsync<int, string>("", queue, 3, json,
            cancellationToken: Cancelled).ToListAsync(Cancelled));
        await Assert.ThrowsAsync<AmqpRemoteException>(async () => await amqp.CallManyAsync<string, string>("", queue,
            "three", json, cancellationToken: Cancelled).ToListAsync(Cancelled));
        await Assert.ThrowsAsync<InvalidDataException>(async () => await amqp.CallManyAsync<int, int[]>("", queue, 1,
            json, cancellationToken: Cancelled).ToListAsync(Cancelled));
        Assert.Equal(["0"], await amqp.CallManyAsync<int, string>(AmqpMessage.ToQueue(queue, Bytes("")), 1, json,
            cancellationToken: Cancelled).ToListAsync(Cancelled));
        Assert.Throws<ArgumentOutOfRangeException>(() => amqp.CallManyAsync(AmqpMessage.ToQueue(queue, Bytes("")),
            new AmqpCallManyOptions { Prefetch = 0 }, Cancelled));
    }

    [Fact]
    public async Task JSON_goes_both_ways_with_metadata_and_without()
    {
        AmqpClient amqp = await ConnectAsync();
        foreach (bool generated in new[] { true, false })
        {
            string queue = await NewQueueAsync(amqp);
            AmqpRepliesHandler<int, string> answer = (count, _, _) => Numbers(count).ToAsyncEnumerable();
            await (generated
                ? amqp.ServeManyJsonAsync(queue, Json.Default.Int32, Json.Default.String, answer,
                    cancellationToken: Cancelled)
                : amqp.ServeManyJsonAsync(queue, answer, cancellationToken: Cancelled));
            var template = AmqpMessage.ToQueue(queue, Bytes(""));
            foreach (IAsyncEnumerable<string?> replies in (IAsyncEnumerable<string?>[])[
                amqp.CallManyJsonAsync<int, string>("", queue, 3, cancellationToken: Cancelled),
                amqp.CallManyJsonAsync("", queue, 3, Json.Default.Int32, Json.Default.String,
                    cancellationToken: Cancelled),
                amqp.CallManyJsonAsync(template, 3, Json.Default.Int32, Json.Default.String,
                    cancellationToken: Cancelled)])
                Assert.Equal(["0", "1", "2"], await replies.ToListAsync(Cancelled));
        }
    }

    [JsonSerializable(typeof(int))]
    [JsonSerializable(typeof(string))]
    private sealed partial class Json : JsonSerializerContext;

    private static AmqpMessage Number(int number)
        => new() { Body = Bytes(number.ToString(CultureInfo.InvariantCulture)) };

    private static async IAsyncEnumerable<AmqpMessage> CountAsync(AmqpDelivery request,
        [EnumeratorCancellation] CancellationToken abandoned)
    {
        int count = int.Parse(Text(request), CultureInfo.InvariantCulture);
        for (int number = 0; number < count; number++)
            yield return Number(number);
        await Task.CompletedTask.WaitAsync(abandoned);
    }

    private static async Task<string[]> AllAsync(AmqpClient amqp, string queue, int count,
        AmqpCallManyOptions? options = null)
    {
        var (read, error) = await ReadAsync(amqp, queue, $"{count}", options);
        Assert.Null(error);
        return read;
    }

    private static async Task<(string[] Read, Exception? Error)> ReadAsync(AmqpClient amqp, string queue, string body,
        AmqpCallManyOptions? options = null)
    {
        var read = new ConcurrentQueue<string>();
        try
        {
            await foreach (AmqpReply reply in amqp.CallManyAsync(AmqpMessage.ToQueue(queue, Bytes(body)), options,
                Cancelled))
                read.Enqueue(Text(reply));
            return ([.. read], null);
        }
        catch (Exception error) when (error is AmqpException)
        {
            return ([.. read], error);
        }
    }
}
