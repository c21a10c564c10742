using RabbitMQ.Client;

namespace SafeAmqp.IntegrationTests.Calls;

// A client that may publish to a reply address may send anything there.
public sealed class HostileReplyTests(TestBroker broker) : CallTest(broker)
{
    [Theory, MemberData(nameof(Addresses))]
    public async Task Replies_that_are_late_double_foreign_or_malformed_reach_no_caller_but_the_count(
        string address, AmqpConnectionLayout layout)
    {
        const int calls = 40;
        AmqpClient amqp = await ConnectAsync(layout), bystander = await ConnectAsync(layout);
        RequestDesk desk = await DeskAsync(), otherDesk = await DeskAsync();
        AmqpCallOptions options = To(await AddressAsync(amqp, address)),
            othersOptions = To(await AddressAsync(bystander, address));
        Task<AmqpReply> foreign = bystander
            .CallAsync(AmqpMessage.ToQueue(otherDesk.Queue, Bytes("bystander")), othersOptions, Cancelled).AsTask();
        Request foreignRequest = await otherDesk.NextAsync();

        Task<AmqpReply>[] pending = [.. Enumerable.Range(0, calls)
            .Select(i => amqp.CallAsync(AmqpMessage.ToQueue(desk.Queue, Bytes($"{i}")), options, Cancelled).AsTask())];
        int hostile = 0;
        async Task SendAsync(Request to, string? id, Action<BasicProperties>? properties = null)
        {
            hostile++;
            await desk.SendAsync(to.ReplyTo, "hostile", filled =>
            {
                if (id is not null)
                    filled.CorrelationId = id;
                properties?.Invoke(filled);
            });
        }
        for (int i = 0; i < calls; i++)
        {
            Request request = await desk.NextAsync();
            await SendAsync(request, null);
            await SendAsync(request, "");
            await SendAsync(request, "unknown");
            await SendAsync(request, foreignRequest.CorrelationId); // of a call that waits elsewhere
            await SendAsync(request, request.CorrelationId.ToLowerInvariant() + "=");
            await SendAsync(request, new string('x', 255), properties =>
            {
                properties.Headers = new Dictionary<string, object?>
                {
                    ["x-safeamqp-fault"] = 5,
                    ["x-safeamqp-deadline"] = "yesterday",
                    ["nested"] = new Dictionary<string, object?> { ["deep"] = null }
                };
                properties.Timestamp = new AmqpTimestamp(long.MaxValue);
                properties.Expiration = "100000000";
            });
            await desk.ReplyAsync(request, request.Body);
            await SendAsync(request, request.CorrelationId); // twice
        }
        for (int i = 0; i < calls; i++)
            Assert.Equal($"{i}", Text(await InTime(pending[i])));
        await UntilAsync(() => amqp.Status.Links[0].LateReplies == hostile);
        Assert.False(foreign.IsCompleted);
        await otherDesk.ReplyAsync(foreignRequest, "own");
        Assert.Equal("own", Text(await InTime(foreign)));
        Assert.Equal(0, bystander.Status.Links[0].LateReplies);
        Assert.All(amqp.Status.Links, link => Assert.Equal(1, link.Epoch));
    }

    [Theory, InlineData("number"), InlineData("table"), InlineData("null"), InlineData("bytes"), InlineData("long")]
    public async Task A_fault_with_a_malformed_header_is_still_a_fault_that_can_be_shown(string kind)
    {
        AmqpClient amqp = await ConnectAsync();
        RequestDesk desk = await DeskAsync();
        Task<AmqpReply> call =
            amqp.CallAsync(AmqpMessage.ToQueue(desk.Queue, []), cancellationToken: Cancelled).AsTask();
        Request request = await desk.NextAsync();
        await desk.ReplyAsync(
            request, new string('\u0007', 10_000), properties => properties.Headers = new Dictionary<string, object?>
            {
                ["x-safeamqp-fault"] = kind switch
                {
                    "number" => 5,
                    "table" => new Dictionary<string, object?> { ["a"] = 1 },
                    "null" => null,
                    "bytes" => new byte[] { 0xFF, 0xFE },
                    _ => new string('T', 5000) + "\r\nforged log line",
                },
            });
        var error = await Assert.ThrowsAsync<AmqpRemoteException>(() => InTime(call));
        Assert.InRange(error.RemoteType.Length, 1, 201);
        Assert.InRange(error.Message.Length, 1, 20_000);
        Assert.DoesNotContain(error.Message, char.IsControl);
    }

    [Fact]
    public async Task A_malformed_deadline_or_reply_address_harms_no_server()
    {
        AmqpClient amqp = await ConnectAsync();
        Witness witness = await WitnessAsync();
        string queue = await NewQueueAsync(amqp);
        var bodies = new System.Collections.Concurrent.ConcurrentQueue<string>();
        AmqpSubscription server = await amqp.ServeAsync(queue, (request, _) =>
        {
            bodies.Enqueue(Text(request));
            return ValueTask.FromResult(new AmqpMessage { Body = request.Body });
        }, cancellationToken: Cancelled);
        int sent = 0;
        foreach (object? deadline in (object?[])[
            "soon", null, 1.5, true, new Dictionary<string, object?>(), long.MaxValue])
            await witness.PublishAsync(queue, Bytes($"{sent++}"), properties =>
            {
                properties.ReplyTo = "nowhere"; // the reply is returned
                properties.Headers = new Dictionary<string, object?> { ["x-safeamqp-deadline"] = deadline };
            });
        await witness.PublishAsync(queue, Bytes("minimum"), properties =>
        {
            properties.ReplyTo = "nowhere";
            // long past: not worked on
            properties.Headers = new Dictionary<string, object?> { ["x-safeamqp-deadline"] = long.MinValue };
        });
        await witness.ReadyAsync(queue); // an answer on the same channel: the broker has all that was sent before
        Assert.Equal(
            "fine",
            Text(await amqp.CallAsync(AmqpMessage.ToQueue(queue, Bytes("fine")), cancellationToken: Cancelled)));
        Assert.Equal([.. Numbers(sent), "fine"], bodies);
        await server.DisposeAsync();
        Assert.Equal(0u, await witness.ReadyAsync(queue));
        Assert.Null(server.LastError);
    }
}
