using System.Text.Json;

namespace SafeAmqp.IntegrationTests.Calls;

public sealed class FixedReplyQueueTests(TestBroker broker) : CallTest(broker)
{
    [Theory, MemberData(nameof(Layouts))]
    public async Task A_selector_finds_the_call_by_a_header(AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(layout);
        RequestDesk desk = await DeskAsync();
        string replies = await NewQueueAsync(amqp);
        var address = AmqpReplyAddress.Queue(
            replies, message => message.Headers!.TryGetValue("x-request", out object? id) ? id as string : null);
        Task<AmqpReply> one = amqp.CallAsync(
            AmqpMessage.ToQueue(desk.Queue, Bytes("1")) with { CorrelationId = "order-1" }, To(address), Cancelled)
            .AsTask();
        Task<AmqpReply> two = amqp.CallAsync(
            AmqpMessage.ToQueue(desk.Queue, Bytes("2")) with { CorrelationId = "order-2" }, To(address), Cancelled)
            .AsTask();
        Request[] requests = [await desk.NextAsync(), await desk.NextAsync()];
        // ids of the caller's own
        Assert.Equal(["order-1", "order-2"], requests.Select(request => request.CorrelationId).Order());
        Assert.All(requests, request => Assert.Equal(replies, request.ReplyTo));
        await desk.SendAsync(replies, "to two", properties =>
            properties.Headers = new Dictionary<string, object?> { ["x-request"] = "order-2" });
        await desk.SendAsync(replies, "to one", properties =>
            properties.Headers = new Dictionary<string, object?> { ["x-request"] = "order-1" });
        Assert.Equal("to one", Text(await InTime(one)));
        Assert.Equal("to two", Text(await InTime(two)));
        Assert.Equal(0, amqp.Status.Links[0].LateReplies);
    }

    [Theory, MemberData(nameof(Layouts))]
    public async Task A_selector_finds_the_call_by_a_field_of_the_body(AmqpConnectionLayout layout)
    {
        AmqpClient amqp = await ConnectAsync(layout);
        RequestDesk desk = await DeskAsync();
        string replies = await NewQueueAsync(amqp);
        var address = AmqpReplyAddress.Queue(replies, message =>
        {
            using var json = JsonDocument.Parse(message.Body);
            return json.RootElement.GetProperty("job_id").GetString();
        });
        Task<AmqpReply> call = amqp.CallAsync(
            AmqpMessage.ToQueue(desk.Queue, []) with { CorrelationId = "job-7" }, To(address), Cancelled).AsTask();
        await desk.NextAsync();
        await desk.SendAsync(replies, """{"job_id":"job-7","result":42}""", _ => { });
        Assert.Contains("42", Text(await InTime(call)), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_answers_no_call_goes_to_the_unmatched_handler_and_counts_as_late()
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        RequestDesk desk = await DeskAsync();
        var (replies, dead) = await NewQueueWithDeadLettersAsync(amqp);
        var unmatched = new Inbox(AmqpSettlement.Reject);
        var address = AmqpReplyAddress.Queue(replies, message => message.CorrelationId switch
        {
            "throw" => throw new FormatException("selector"),
            var id => id,
        }, unmatched.HandleAsync);
        Task<AmqpReply> call =
            amqp.CallAsync(AmqpMessage.ToQueue(desk.Queue, []), To(address), Cancelled).AsTask();
        Request request = await desk.NextAsync();
        await desk.SendAsync(replies, "foreign", properties => properties.CorrelationId = "foreign");
        await desk.SendAsync(replies, "throw", properties => properties.CorrelationId = "throw");
        await desk.SendAsync(replies, "none", _ => { });
        Assert.Equal(["foreign", "throw", "none"], (await unmatched.NextAsync(3)).Select(Text));
        await UntilReadyAsync(witness, dead, 3); // what the handler said was done
        await desk.ReplyAsync(request, "the reply");
        Assert.Equal("the reply", Text(await InTime(call)));
        await desk.ReplyAsync(request, "twice");
        Assert.Equal("twice", Text(await unmatched.NextAsync()));
        await UntilAsync(() => amqp.Status.Links[0].LateReplies == 4);
    }

    [Fact]
    public async Task Without_an_unmatched_handler_what_answers_no_call_is_dropped_and_counted()
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        RequestDesk desk = await DeskAsync();
        string replies = await NewQueueAsync(amqp);
        var address = AmqpReplyAddress.Queue(replies);
        Task<AmqpReply> call =
            amqp.CallAsync(AmqpMessage.ToQueue(desk.Queue, []), To(address), Cancelled).AsTask();
        Request request = await desk.NextAsync();
        await desk.SendAsync(replies, "foreign", properties => properties.CorrelationId = "foreign");
        await desk.SendAsync(replies, "none", _ => { });
        await desk.ReplyAsync(request, "the reply");
        Assert.Equal("the reply", Text(await InTime(call)));
        await UntilAsync(() => amqp.Status.Links[0].LateReplies == 2);
        await amqp.DisposeAsync();
        Assert.Equal(0u, await witness.ReadyAsync(replies));
    }

    [Fact]
    public async Task Two_calls_with_one_id_of_their_own_are_not_mixed_up_the_second_is_not_sent()
    {
        AmqpClient amqp = await ConnectAsync();
        RequestDesk desk = await DeskAsync();
        var address = AmqpReplyAddress.Queue(await NewQueueAsync(amqp));
        AmqpMessage message = AmqpMessage.ToQueue(desk.Queue, []) with { CorrelationId = "same" };
        Task<AmqpReply> first = amqp.CallAsync(message, To(address), Cancelled).AsTask();
        Request request = await desk.NextAsync();
        var error = await Assert.ThrowsAsync<AmqpNotSentException>(
            async () => await amqp.CallAsync(message, To(address), Cancelled));
        Assert.True(error.IsSafeToRepeat);
        await desk.ReplyAsync(request, "first");
        Assert.Equal("first", Text(await InTime(first)));
        Task<AmqpReply> again = amqp.CallAsync(message, To(address), Cancelled).AsTask();
        await desk.ReplyAsync(await desk.NextAsync(), "again");
        Assert.Equal("again", Text(await InTime(again)));
    }

    [Fact]
    public async Task A_missing_reply_queue_fails_the_call_before_its_request_is_sent_and_the_next_call_looks_again()
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        RequestDesk desk = await DeskAsync();
        string replies = NewName();
        var address = AmqpReplyAddress.Queue(replies);
        var error = await Assert.ThrowsAsync<AmqpNotSentException>(
            async () => await amqp.CallAsync(AmqpMessage.ToQueue(desk.Queue, []), To(address), Cancelled));
        Assert.Contains(replies, error.Message, StringComparison.Ordinal);
        Assert.Empty(desk.All);
        await witness.QueueAsync(replies);
        Task<AmqpReply> call =
            amqp.CallAsync(AmqpMessage.ToQueue(desk.Queue, []), To(address), Cancelled).AsTask();
        await desk.ReplyAsync(await desk.NextAsync(), "now");
        Assert.Equal("now", Text(await InTime(call)));
    }
}
