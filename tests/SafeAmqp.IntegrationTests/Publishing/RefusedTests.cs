namespace SafeAmqp.IntegrationTests.Publishing;

[Trait("Broker", "3.10")]
public sealed class RefusedTests(TestBroker broker) : FaultTest(broker)
{
    [Fact]
    public async Task A_publish_to_a_missing_exchange_is_refused_and_its_neighbours_are_not_harmed()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        string missing = NewName();
        Task<Exception?>[] ends = [.. Enumerable.Range(0, 300).Select(i => EndOf(amqp.PublishAsync(
            i % 100 == 50 ? AmqpMessage.ToExchange(missing, "", []) : AmqpMessage.ToQueue(queue, []),
            Cancelled)))];
        await Task.WhenAll(ends);
        for (int i = 0; i < ends.Length; i++)
        {
            if (i % 100 != 50)
            {
                Assert.Null(await ends[i]);
                continue;
            }
            var error = Assert.IsType<AmqpRefusedException>(await ends[i]);
            Assert.Equal(AmqpOutcome.Refused, error.Outcome);
            Assert.Equal(404, error.ReplyCode);
            Assert.Contains(missing, error.ReplyText, StringComparison.Ordinal);
            Assert.True(error.IsSafeToRepeat);
            Assert.NotNull(error.Status);
        }
        Assert.Equal(297, await MessagesInAsync(queue));
        Assert.Equal(1, amqp.Status.Links[0].Epoch);
    }

    [Fact]
    public async Task A_missing_exchange_that_was_refused_is_found_once_it_is_there()
    {
        AmqpClient amqp = await ConnectAsync();
        string exchange = NewName();
        await Assert.ThrowsAsync<AmqpRefusedException>(
            async () => await amqp.PublishAsync(AmqpMessage.Broadcast(exchange, []), Cancelled));
        await amqp.DeclareAsync(new AmqpTopology().Exchange(exchange, AmqpExchangeType.Fanout), Cancelled);
        await amqp.PublishAsync(AmqpMessage.Broadcast(exchange, []), Cancelled);
    }

    [Fact]
    public async Task An_exchange_deleted_after_its_first_publish_refuses_one_and_tells_its_neighbours_the_truth()
    {
        FaultProxy proxy = NewProxy();
        AmqpClient amqp = await ConnectAsync(options => options.Uri = proxy.Uri);
        AmqpClient other = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        string exchange = NewName();
        await other.DeclareAsync(
            new AmqpTopology().Exchange(exchange, AmqpExchangeType.Fanout).Bind(exchange).ToQueue(queue), Cancelled);
        await amqp.PublishAsync(AmqpMessage.ToExchange(exchange, "", []), Cancelled);
        await Broker.Node.DeleteExchangeAsync(exchange, Cancelled);

        proxy.ToBroker.Paused = true; // so that they leave together
        Task<Exception?>[] before = [.. Enumerable.Range(0, 10)
            .Select(_ => EndOf(amqp.PublishAsync(AmqpMessage.ToQueue(queue, "before"u8.ToArray()), Cancelled)))];
        Task<Exception?> refused = EndOf(amqp.PublishAsync(AmqpMessage.ToExchange(exchange, "", []), Cancelled));
        Task<Exception?>[] after = [.. Enumerable.Range(0, 10)
            .Select(_ => EndOf(amqp.PublishAsync(AmqpMessage.ToQueue(queue, "after"u8.ToArray()), Cancelled)))];
        await UntilAsync(() => amqp.Status.Links[0].UnconfirmedMessages == 21);
        proxy.ToBroker.Paused = false;

        var error = Assert.IsType<AmqpRefusedException>(await refused.WaitAsync(Limit, Cancelled));
        Assert.Equal(404, error.ReplyCode);
        Exception?[] befores = await Task.WhenAll(before), afters = await Task.WhenAll(after);
        Assert.All(befores, end => Assert.True(end is null or AmqpUnknownOutcomeException, end?.ToString()));
        Assert.All(afters, end => Assert.IsType<AmqpUnknownOutcomeException>(end));
        IReadOnlyList<AmqpDelivery> received = await TakeAsync(amqp, queue, await MessagesInAsync(queue));
        int arrived = received.Count(delivery => delivery.Body.Span.SequenceEqual("before"u8));
        Assert.True(befores.Count(end => end is null) <= arrived, "a confirmed neighbour is lost");
        // on a new channel of the same connection
        await amqp.PublishAsync(AmqpMessage.ToQueue(queue, []), Cancelled);
        Assert.Equal(1, amqp.Status.Links[0].Epoch);
    }

    [Fact]
    public async Task A_publish_without_permission_is_refused_and_its_user_goes_on_elsewhere()
    {
        (string user, string uri) = await NewUserAsync(write: "^(allowed-.*|amq\\.default)$");
        AmqpClient owner = await ConnectAsync();
        string exchange = NewName(), queue = await NewQueueAsync(owner);
        await owner.DeclareAsync(new AmqpTopology().Exchange(exchange, AmqpExchangeType.Fanout), Cancelled);
        AmqpClient amqp = await ConnectAsync(options => options.Uri = uri);
        var error = await Assert.ThrowsAsync<AmqpRefusedException>(
            async () => await amqp.PublishAsync(AmqpMessage.Broadcast(exchange, []), Cancelled));
        Assert.Equal(403, error.ReplyCode);
        Assert.Contains(exchange, error.ReplyText, StringComparison.Ordinal);
        Assert.NotNull(error.Status);
        await amqp.PublishAsync(AmqpMessage.ToQueue(queue, []) with { UserId = user }, Cancelled);
        Assert.Equal(1, amqp.Status.Links[0].Epoch);
    }

    [Fact]
    public async Task Permission_given_later_is_noticed_without_a_new_connection()
    {
        (string user, string uri) = await NewUserAsync(write: "^nothing$");
        AmqpClient amqp = await ConnectAsync(options => options.Uri = uri);
        Assert.IsType<AmqpRefusedException>(
            await EndOf(amqp.PublishAsync(AmqpMessage.Broadcast("amq.fanout", []), Cancelled)));
        await Broker.Node.SetPermissionsAsync(user, ".*", ".*", ".*", Cancelled);
        await UntilAsync(
            async () => await EndOf(amqp.PublishAsync(AmqpMessage.Broadcast("amq.fanout", []), Cancelled)),
            end => end is null);
        Assert.Equal(1, amqp.Status.Links[0].Epoch);
    }

    [Fact]
    public async Task A_message_with_the_user_id_of_somebody_else_is_refused()
    {
        AmqpClient amqp = await ConnectAsync();
        string queue = await NewQueueAsync(amqp);
        var error = await Assert.ThrowsAsync<AmqpRefusedException>(async () => await amqp.PublishAsync(
            AmqpMessage.ToQueue(queue, []) with { UserId = "somebody-else" }, Cancelled));
        Assert.Equal(406, error.ReplyCode);
        Assert.Contains("somebody-else", error.ReplyText, StringComparison.Ordinal);
        await amqp.PublishAsync(AmqpMessage.ToQueue(queue, []) with { UserId = "guest" }, Cancelled);
        Assert.Equal(1, amqp.Status.Links[0].Epoch);
    }

    [Theory]
    [InlineData(404)]
    [InlineData(403)]
    [InlineData(406)]
    public async Task A_neighbour_that_carries_the_name_of_its_own_user_is_not_blamed(int code)
    {
        (string user, string uri) = await NewUserAsync(write: code == 403 ? "^amq\\.default$" : ".*");
        FaultProxy proxy = NewProxy();
        AmqpClient owner = await ConnectAsync();
        string queue = await NewQueueAsync(owner), exchange = NewName();
        AmqpClient amqp = await ConnectAsync(
            options => options.Uri = uri.Replace($":{Broker.Node.Port}", $":{proxy.Port}", StringComparison.Ordinal));
        await owner.DeclareAsync(new AmqpTopology().Exchange(exchange, AmqpExchangeType.Fanout), Cancelled);
        // not asked for again from here on
        Exception? known = await EndOf(amqp.PublishAsync(AmqpMessage.Broadcast(exchange, []), Cancelled));
        var culprit = AmqpMessage.Broadcast(exchange, []);
        switch (code)
        {
            case 404:
                await Broker.Node.DeleteExchangeAsync(exchange, Cancelled);
                break;
            case 403:
                Assert.IsType<AmqpRefusedException>(known);
                // so long a refusal is remembered and not repeated on the wire
                await Task.Delay(TimeSpan.FromSeconds(1.1), Cancelled);
                break;
            default:
                culprit = AmqpMessage.ToQueue(queue, []) with { UserId = "somebody-else" };
                break;
        }
        proxy.ToBroker.Paused = true; // so that they leave together
        Task<Exception?>[] neighbours = [.. Enumerable.Range(0, 5).Select(
            _ => EndOf(amqp.PublishAsync(AmqpMessage.ToQueue(queue, []) with { UserId = user }, Cancelled)))];
        Task<Exception?> refused = EndOf(amqp.PublishAsync(culprit, Cancelled));
        await UntilAsync(() => amqp.Status.Links[0].UnconfirmedMessages == 6);
        proxy.ToBroker.Paused = false;
        var error = Assert.IsType<AmqpRefusedException>(await refused.WaitAsync(Limit, Cancelled));
        Assert.Equal(code, error.ReplyCode);
        Assert.All(
            await Task.WhenAll(neighbours),
            end => Assert.True(end is null or AmqpUnknownOutcomeException, end?.ToString()));
    }

    private async Task<(string User, string Uri)> NewUserAsync(string write)
    {
        string user = $"user-{Guid.NewGuid().ToString("N")[..8]}";
        ControlledBroker node = Broker.Node;
        await Broker.Node.AddUserAsync(user, "secret", Cancelled);
        AtTheEnd(() => node.DeleteUserAsync(user));
        await Broker.Node.SetPermissionsAsync(user, ".*", write, ".*", Cancelled);
        return (user, $"amqp://{user}:secret@127.0.0.1:{node.Port}/");
    }
}
