using System.Diagnostics;
using System.Globalization;

namespace SafeAmqp.IntegrationTests.Calls;

[Trait("Broker", "3.10")]
public sealed class CallTests(TestBroker broker) : CallTest(broker)
{
    [Theory, MemberData(nameof(Addresses))]
    public async Task A_call_ends_with_the_reply_to_its_request(string address, AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(layout);
        string queue = await NewQueueAsync(amqp);
        await amqp.ServeAsync(queue, (request, _) => ValueTask.FromResult(new AmqpMessage
        {
            Body = Bytes($"{Text(request)} back"),
            ContentType = "text/plain",
            Headers = new Dictionary<string, object?> { ["served"] = true },
        }), cancellationToken: Cancelled);
        AmqpReplyAddress replyTo = await AddressAsync(amqp, address);
        for (int i = 0; i < 3; i++)
        {
            AmqpReply reply = await amqp.CallAsync(AmqpMessage.ToQueue(queue, Bytes($"{i}")), To(replyTo), Cancelled);
            Assert.Equal($"{i} back", Text(reply));
            Assert.Equal("text/plain", reply.Message.ContentType);
            Assert.Equal(true, reply.Message.Headers!["served"]);
            Assert.InRange(reply.Elapsed, TimeSpan.FromTicks(1), Limit);
        }
        Assert.Equal(0, amqp.Status.Links[0].PendingCalls);
        Assert.Equal(0, amqp.Status.Links[0].LateReplies);
    }

    [Theory, MemberData(nameof(Addresses))]
    public async Task A_hundred_callers_get_each_their_own_reply(string address, AmqpConnectionLayout layout)
    {
        const int callers = 100, each = 25;
        AmqpClient amqp = await ConnectAsync(layout), server = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        await server.ServeAsync(queue, async (request, _) =>
        {
            await Task.Yield(); // replies overtake each other
            return new AmqpMessage { Body = request.Body, Persistent = false };
        }, new AmqpServeOptions { Consumer = new AmqpConsumerOptions { Concurrency = 16, Prefetch = 500 } }, Cancelled);
        AmqpCallOptions options = To(await AddressAsync(amqp, address));
        await InTime(Task.WhenAll(Enumerable.Range(0, callers).Select(caller => Task.Run(async () =>
        {
            for (int i = 0; i < each; i++)
                Assert.Equal($"{caller}/{i}", Text(await amqp.CallAsync(
                    AmqpMessage.ToQueue(queue, Bytes($"{caller}/{i}")) with { Persistent = false },
                    options,
                    Cancelled)));
        }, Cancelled))));
        // figures are shown after the batch that they are of
        await UntilAsync(() => amqp.Status.Links[0].PendingCalls == 0);
        Assert.Equal(0, amqp.Status.Links[0].LateReplies);
    }

    [Theory, MemberData(nameof(Addresses))]
    public async Task The_deadline_goes_with_the_request_as_its_expiration_and_in_a_header(
        string address, AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(layout);
        RequestDesk desk = await DeskAsync();
        AmqpReplyAddress replyTo = await AddressAsync(amqp, address);
        long before = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        Task<AmqpReply> call =
            amqp.CallAsync(AmqpMessage.ToQueue(desk.Queue, []), To(replyTo, TimeSpan.FromSeconds(20)), Cancelled)
                .AsTask();
        Request request = await desk.NextAsync();
        long after = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
        await desk.ReplyAsync(request, "");
        await InTime(call);
        long deadline = Assert.IsType<long>(request.Deadline);
        Assert.InRange(deadline, before + 20_000, after + 20_000);
        Assert.InRange(int.Parse(request.Expiration!, CultureInfo.InvariantCulture), 1, 20_000);
    }

    [Fact]
    public async Task A_server_sees_the_deadline_too()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        AmqpMessage? seen = null;
        await amqp.ServeAsync(queue, (request, _) =>
        {
            seen = request.Message;
            return ValueTask.FromResult(new AmqpMessage());
        }, cancellationToken: Cancelled);
        await amqp.CallAsync(
            AmqpMessage.ToQueue(queue, []) with
            {
                Headers = new Dictionary<string, object?> { ["own"] = 1 },
                Expiration = TimeSpan.FromDays(1)
            },
            Within(TimeSpan.FromSeconds(20)), Cancelled);
        Assert.InRange(seen!.Expiration!.Value, TimeSpan.FromMilliseconds(1), TimeSpan.FromSeconds(20));
        Assert.IsType<long>(seen.Headers!["x-safeamqp-deadline"]);
        Assert.Equal(1, seen.Headers["own"]);
    }

    [Theory, MemberData(nameof(Addresses))]
    public async Task A_request_that_no_server_takes_is_returned_in_one_round_trip(
        string address, AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(layout);
        AmqpCallOptions options = To(await AddressAsync(amqp, address));
        RequestDesk desk = await DeskAsync();
        // makes the address
        Task<AmqpReply> first = amqp.CallAsync(AmqpMessage.ToQueue(desk.Queue, []), options, Cancelled).AsTask();
        await desk.ReplyAsync(await desk.NextAsync(), "");
        await InTime(first);
        var watch = Stopwatch.StartNew();
        var error = await Assert.ThrowsAsync<AmqpReturnedException>(
            async () => await amqp.CallAsync(AmqpMessage.ToQueue(NewName(), []), options, Cancelled));
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(2));
        Assert.Equal((AmqpOutcome.Returned, 312, true), (error.Outcome, error.ReplyCode, error.IsSafeToRepeat));
        Assert.Equal(0, amqp.Status.Links[0].PendingCalls);
    }

    [Fact]
    public async Task A_request_for_an_exchange_that_is_not_there_is_refused_and_the_calls_beside_it_go_on()
    {
        AmqpClient amqp = await ConnectAsync();
        RequestDesk desk = await DeskAsync();
        Task<AmqpReply> call =
            amqp.CallAsync(AmqpMessage.ToQueue(desk.Queue, []), cancellationToken: Cancelled).AsTask();
        Request request = await desk.NextAsync();
        string exchange = NewName();
        var error = await Assert.ThrowsAsync<AmqpRefusedException>(async () => await amqp.CallAsync(
            AmqpMessage.ToExchange(exchange, "", []), cancellationToken: Cancelled));
        Assert.Equal(404, error.ReplyCode);
        Assert.Contains(exchange, error.Message, StringComparison.Ordinal);
        await desk.ReplyAsync(request, "still here");
        Assert.Equal("still here", Text(await InTime(call)));
        Assert.Equal(1, amqp.Status.Links[0].Epoch);
    }

    [Theory, MemberData(nameof(Addresses))]
    public async Task A_call_without_reply_ends_at_its_deadline_with_NoReply_and_its_reply_counts_as_late(
        string address, AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(layout);
        RequestDesk desk = await DeskAsync();
        AmqpReplyAddress replyTo = await AddressAsync(amqp, address);
        Task<AmqpReply> warm =
            amqp.CallAsync(AmqpMessage.ToQueue(desk.Queue, []), To(replyTo), Cancelled).AsTask();
        await desk.ReplyAsync(await desk.NextAsync(), "");
        await InTime(warm);
        var watch = Stopwatch.StartNew();
        Task<AmqpReply> call = amqp.CallAsync(
            AmqpMessage.ToQueue(desk.Queue, []), To(replyTo, TimeSpan.FromMilliseconds(400)), Cancelled).AsTask();
        Request request = await desk.NextAsync();
        var error = await Assert.ThrowsAsync<AmqpNoReplyException>(() => InTime(call));
        Assert.InRange(watch.Elapsed, TimeSpan.FromMilliseconds(390), TimeSpan.FromSeconds(2));
        Assert.IsType<TimeoutException>(error.InnerException);
        Assert.Equal(AmqpOutcome.Confirmed, error.Outcome);
        Assert.False(error.IsSafeToRepeat);
        Assert.NotNull(error.Status);
        Task<AmqpReply> other =
            amqp.CallAsync(AmqpMessage.ToQueue(desk.Queue, []), To(replyTo), Cancelled).AsTask();
        Request otherRequest = await desk.NextAsync();
        await desk.ReplyAsync(request, "late");
        await UntilAsync(() => amqp.Status.Links[0].LateReplies == 1);
        Assert.False(other.IsCompleted);
        await desk.ReplyAsync(otherRequest, "in time");
        Assert.Equal("in time", Text(await InTime(other)));
    }

    [Theory, MemberData(nameof(Addresses))]
    public async Task A_cancelled_call_ends_at_once_and_its_reply_counts_as_late(
        string address, AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(layout);
        RequestDesk desk = await DeskAsync();
        AmqpReplyAddress replyTo = await AddressAsync(amqp, address);
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        Task<AmqpReply> call =
            amqp.CallAsync(AmqpMessage.ToQueue(desk.Queue, []), To(replyTo), cancel.Token).AsTask();
        Request request = await desk.NextAsync();
        var watch = Stopwatch.StartNew();
        await cancel.CancelAsync();
        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => InTime(call));
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(2));
        Assert.Equal(cancel.Token, error.CancellationToken);
        Assert.Equal(0, amqp.Status.Links[0].PendingCalls);
        await desk.ReplyAsync(request, "late");
        await UntilAsync(() => amqp.Status.Links[0].LateReplies == 1);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            async () => await amqp.CallAsync(AmqpMessage.ToQueue(desk.Queue, []), To(replyTo), cancel.Token));
    }

    [Fact]
    public async Task A_correlation_id_is_128_random_bits_unless_the_caller_chose_it_and_never_comes_twice()
    {
        const int count = 500;
        AmqpClient amqp = await ConnectAsync();
        RequestDesk desk = await DeskAsync();
        Task<AmqpReply>[] calls = [.. Enumerable.Range(0, count).Select(_ =>
            amqp.CallAsync(AmqpMessage.ToQueue(desk.Queue, []), cancellationToken: Cancelled).AsTask())];
        var ids = new HashSet<string>();
        for (int i = 0; i < count; i++)
        {
            Request request = await desk.NextAsync();
            Assert.Matches("^[A-Za-z0-9_-]{22}$", request.CorrelationId);
            Assert.True(ids.Add(request.CorrelationId));
            await desk.ReplyAsync(request, "");
        }
        await InTime(Task.WhenAll(calls));
        Task<AmqpReply> own = amqp.CallAsync(
            AmqpMessage.ToQueue(desk.Queue, []) with { CorrelationId = "mine" }, cancellationToken: Cancelled)
            .AsTask();
        Request asked = await desk.NextAsync();
        Assert.Equal("mine", asked.CorrelationId);
        await desk.ReplyAsync(asked, "");
        await InTime(own);
        // Every bit of the first 16 bytes is set in some and clear in others.
        byte[][] bits = [.. ids.Select(id => System.Buffers.Text.Base64Url.DecodeFromChars(id))];
        Assert.All(
            Enumerable.Range(0, 128),
            bit => Assert.InRange(bits.Count(id => (id[bit / 8] >> (bit % 8) & 1) == 1), count / 4, count * 3 / 4));
    }

    [Fact]
    public async Task No_more_calls_wait_than_the_bound_allows_and_the_next_fails_at_once_or_waits_as_the_option_says()
    {
        AmqpClient failing = await ConnectAsync(
            options => (options.MaxPendingCalls, options.FullMode) = (2, AmqpFullMode.Fail));
        AmqpClient waiting = await ConnectAsync(options => options.MaxPendingCalls = 2);
        RequestDesk desk = await DeskAsync();
        foreach (AmqpClient amqp in (AmqpClient[])[failing, waiting])
        {
            var message = AmqpMessage.ToQueue(desk.Queue, []);
            Task<AmqpReply>[] calls = [
                amqp.CallAsync(message, cancellationToken: Cancelled).AsTask(),
                amqp.CallAsync(message, cancellationToken: Cancelled).AsTask()];
            Request[] requests = [await desk.NextAsync(), await desk.NextAsync()];
            Assert.Equal(2, amqp.Status.Links[0].PendingCalls);
            TimeSpan within = amqp == failing ? Limit : TimeSpan.FromMilliseconds(300);
            var watch = Stopwatch.StartNew();
            var error = await Assert.ThrowsAsync<AmqpNotSentException>(
                async () => await amqp.CallAsync(message, Within(within), Cancelled));
            Assert.True(error.IsSafeToRepeat);
            if (amqp == failing)
            {
                Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(2)); // not at its deadline
                Assert.Null(error.InnerException);
                Assert.Contains("2 calls", error.Message, StringComparison.Ordinal);
            }
            else
            {
                Assert.InRange(watch.Elapsed, TimeSpan.FromMilliseconds(290), TimeSpan.FromSeconds(2));
                Assert.IsType<TimeoutException>(error.InnerException);
                using var cancel = new CancellationTokenSource();
                Task<AmqpReply> cancelled = amqp.CallAsync(message, cancellationToken: cancel.Token).AsTask();
                await cancel.CancelAsync();
                await Assert.ThrowsAnyAsync<OperationCanceledException>(() => InTime(cancelled));
                Task<AmqpReply> third = amqp.CallAsync(message, cancellationToken: Cancelled).AsTask();
                await desk.ReplyAsync(requests[0], "");
                Request next = await desk.NextAsync(); // its place was free
                await desk.ReplyAsync(next, "third");
                Assert.Equal("third", Text(await InTime(third)));
                requests[0] = requests[1];
            }
            foreach (Request request in requests.Distinct())
                await desk.ReplyAsync(request, "");
            await InTime(Task.WhenAll(calls));
            Assert.Equal(0, amqp.Status.Links[0].PendingCalls);
            Task<AmqpReply>[] again = [
                amqp.CallAsync(message, cancellationToken: Cancelled).AsTask(),
                amqp.CallAsync(message, cancellationToken: Cancelled).AsTask()];
            await desk.ReplyAsync(await desk.NextAsync(), "");
            await desk.ReplyAsync(await desk.NextAsync(), "");
            await InTime(Task.WhenAll(again)); // every place was given back
        }
    }

    [Fact]
    public async Task Call_options_that_are_not_valid_are_refused_before_anything_is_sent()
    {
        AmqpClient amqp = NewClient(options => options.Uri = "amqp://guest:guest@127.0.0.1:1/");
        var message = AmqpMessage.ToQueue("queue", []);
        await Assert.ThrowsAnyAsync<ArgumentException>(
            async () => await amqp.CallAsync(message, Within(TimeSpan.Zero), Cancelled));
        await Assert.ThrowsAnyAsync<ArgumentException>(
            async () => await amqp.CallAsync(message, Within(TimeSpan.FromDays(8)), Cancelled));
        await Assert.ThrowsAnyAsync<ArgumentException>(
            async () => await amqp.CallAsync(message, new AmqpCallOptions { ReplyTo = null! }, Cancelled));
        await Assert.ThrowsAnyAsync<ArgumentException>(async () => await amqp.CallAsync(
            message with { RoutingKey = new string('k', 256) }, cancellationToken: Cancelled));
        Assert.Throws<ArgumentException>(() => AmqpReplyAddress.Queue(""));
        Assert.Throws<ArgumentException>(() => AmqpReplyAddress.Queue(new string('q', 256)));
        Assert.Equal(AmqpLinkState.Idle, amqp.Status.Links[0].State);
    }

    [Fact]
    public async Task A_call_while_there_is_no_broker_ends_as_not_sent_at_its_deadline()
    {
        AmqpClient amqp = NewClient(options => options.Uri = "amqp://guest:guest@127.0.0.1:1/");
        foreach (string address in (string[])["exclusive", "direct", "fixed"])
        {
            AmqpReplyAddress replyTo =
                address == "fixed" ? AmqpReplyAddress.Queue("replies") : await AddressAsync(amqp, address);
            var watch = Stopwatch.StartNew();
            var error = await Assert.ThrowsAsync<AmqpNotSentException>(async () =>
                await amqp.CallAsync(
                    AmqpMessage.ToQueue("queue", []), To(replyTo, TimeSpan.FromMilliseconds(300)), Cancelled));
            Assert.InRange(watch.Elapsed, TimeSpan.FromMilliseconds(290), TimeSpan.FromSeconds(2));
            Assert.True(error.IsSafeToRepeat);
        }
    }
}
