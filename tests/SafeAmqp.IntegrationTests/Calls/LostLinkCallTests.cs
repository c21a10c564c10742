using System.Diagnostics;

namespace SafeAmqp.IntegrationTests.Calls;

public sealed class LostLinkCallTests(TestBroker broker) : CallTest(broker)
{
    [Theory]
    [InlineData("exclusive", AmqpConnectionLayout.Separate)]
    [InlineData("direct", AmqpConnectionLayout.Separate)]
    [InlineData("exclusive", AmqpConnectionLayout.Shared)]
    [InlineData("direct", AmqpConnectionLayout.Shared)]
    public async Task A_lost_link_ends_calls_whose_replies_come_over_it_at_once_and_each_once(
        string address, AmqpConnectionLayout layout)
    {
        const int count = 50;
        AmqpClient amqp = await ConnectAsync(layout);
        RequestDesk desk = await DeskAsync();
        AmqpCallOptions options = To(await AddressAsync(amqp, address));
        long lastEnded = 0;
        Task<AmqpNoReplyException>[] calls = [.. Enumerable.Range(0, count).Select(async _ =>
        {
            var error = await Assert.ThrowsAsync<AmqpNoReplyException>(
                async () => await amqp.CallAsync(AmqpMessage.ToQueue(desk.Queue, []), options, Cancelled));
            Volatile.Write(ref lastEnded, Stopwatch.GetTimestamp());
            return error;
        })];
        for (int i = 0; i < count; i++)
            await desk.NextAsync();
        Assert.Equal(count, amqp.Status.Links[0].PendingCalls);
        int epoch = amqp.Status.Links[0].Epoch;
        await KillAsync(layout == AmqpConnectionLayout.Shared ? "shared" : "send");
        // it was seen
        await UntilAsync(() => amqp.Status.Links[0].Epoch > epoch || amqp.Status.Links[0].State != AmqpLinkState.Open);
        long seen = Stopwatch.GetTimestamp();
        AmqpNoReplyException[] errors = await InTime(Task.WhenAll(calls));
        Assert.InRange(Stopwatch.GetElapsedTime(seen, lastEnded), TimeSpan.FromMinutes(-1), TimeSpan.FromSeconds(1));
        Assert.All(errors, error =>
        {
            Assert.False(error.IsSafeToRepeat); // the request may have been worked on
            Assert.Contains("320", error.Message, StringComparison.Ordinal);
        });
        await UntilAsync(() => amqp.Status.Links[0].State == AmqpLinkState.Open);
        Assert.Equal(0, amqp.Status.Links[0].PendingCalls);

        // Old replies answer no call; the first call over the new link is answered.
        Task<AmqpReply> next = amqp.CallAsync(AmqpMessage.ToQueue(desk.Queue, []), options, Cancelled).AsTask();
        Request request = await desk.NextAsync();
        foreach (Request old in desk.All.Where(old => old != request))
            await desk.SendAsync(request.ReplyTo, "old", properties => properties.CorrelationId = old.CorrelationId);
        await desk.ReplyAsync(request, "new");
        Assert.Equal("new", Text(await InTime(next)));
        // figures are shown after the batch that they are of
        await UntilAsync(() => amqp.Status.Links[0].LateReplies == count);
    }

    [Theory, InlineData("send"), InlineData("receive"), InlineData("shared")]
    public async Task A_call_with_a_fixed_reply_queue_waits_over_a_lost_link(string link)
    {
        AmqpClient amqp = await ConnectAsync(
            link == "shared" ? AmqpConnectionLayout.Shared : AmqpConnectionLayout.Separate);
        RequestDesk desk = await DeskAsync();
        AmqpCallOptions options = To(await AddressAsync(amqp, "fixed"));
        Task<AmqpReply> call = amqp.CallAsync(AmqpMessage.ToQueue(desk.Queue, []), options, Cancelled).AsTask();
        Request request = await desk.NextAsync();
        await KillAsync(link);
        AmqpLinkStatus Link() => amqp.Status.Links.Single(status => status.Name == link);
        await UntilAsync(() => Link().Epoch == 2 && Link().State == AmqpLinkState.Open);
        Assert.False(call.IsCompleted);
        Assert.Equal(1, amqp.Status.Links[0].PendingCalls);
        await desk.ReplyAsync(request, "after all");
        Assert.Equal("after all", Text(await InTime(call)));
        Assert.Equal(0, amqp.Status.Links[0].LateReplies);
    }

    [Theory, MemberData(nameof(Addresses))]
    public async Task The_first_call_after_each_of_twenty_lost_links_is_answered_and_none_uses_an_old_address(
        string address, AmqpConnectionLayout layout)
    {
        FrameRelay relay = NewRelay();
        AmqpClient amqp = await ConnectAsync(layout, options =>
        {
            options.Uri = relay.Uri;
            options.ReconnectDelay = TimeSpan.FromMilliseconds(5);
            options.MaxReconnectDelay = TimeSpan.FromMilliseconds(100);
        });
        RequestDesk desk = await DeskAsync();
        AmqpCallOptions options = To(await AddressAsync(amqp, address));
        var addresses = new List<string>();
        for (int round = 0; round <= 20; round++)
        {
            Task<AmqpReply> call =
                amqp.CallAsync(AmqpMessage.ToQueue(desk.Queue, Bytes($"{round}")), options, Cancelled).AsTask();
            Request request = await desk.NextAsync();
            addresses.Add(request.ReplyTo);
            await desk.ReplyAsync(request, request.Body);
            Assert.Equal($"{round}", Text(await InTime(call)));
            int epoch = amqp.Status.Links[0].Epoch;
            relay.Cut();
            await UntilAsync(
                () => amqp.Status.Links[0].Epoch > epoch || amqp.Status.Links[0].State != AmqpLinkState.Open);
        }
        Assert.True(amqp.Status.Links[0].Epoch >= 20);
        Assert.Equal(address == "fixed" ? 1 : 21, addresses.Distinct().Count());
        if (address != "fixed") // there the broker delivers a reply again whose acknowledgement was cut off
            Assert.Equal(0, amqp.Status.Links[0].LateReplies);
    }

    [Fact]
    public async Task Disposing_the_client_ends_its_calls_at_once()
    {
        AmqpClient amqp = await ConnectAsync();
        RequestDesk desk = await DeskAsync();
        AmqpReplyAddress[] addresses = [
            AmqpReplyAddress.Exclusive, AmqpReplyAddress.Direct, await AddressAsync(amqp, "fixed")];
        Task<AmqpReply>[] calls = [.. addresses.Select(
            address => amqp.CallAsync(AmqpMessage.ToQueue(desk.Queue, []), To(address), Cancelled).AsTask())];
        for (int i = 0; i < calls.Length; i++)
            await desk.NextAsync();
        await InTime(amqp.DisposeAsync());
        foreach (Task<AmqpReply> call in calls)
        {
            var error = await Assert.ThrowsAsync<AmqpNoReplyException>(() => InTime(call));
            Assert.False(error.IsSafeToRepeat);
        }
    }
}
