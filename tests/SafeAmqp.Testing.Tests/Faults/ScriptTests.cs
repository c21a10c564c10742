using System.Text;
using RabbitMQ.Client.Events;
using RabbitMQ.Client.Exceptions;

namespace SafeAmqp.Testing.Tests.Faults;

/// <summary>Each action, at its moment, as a client sees it.</summary>
public sealed class ScriptTests : IAsyncLifetime
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(20);
    private AmqpTestBroker _broker = null!;
    private IConnection _connection = null!;
    private IChannel _channel = null!;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _broker = await AmqpTestBroker.StartAsync();
        _connection = await ConnectAsync();
        _channel = await _connection.CreateChannelAsync(new CreateChannelOptions(true, true));
        await _channel.QueueDeclareAsync("q", durable: true, exclusive: false, autoDelete: false);
    }

    public async ValueTask DisposeAsync()
    {
        await _broker.DisposeAsync();
        await _connection.DisposeAsync();
    }

    [Theory]
    [InlineData(17)]
    [InlineData(1)]
    public async Task The_connection_ends_after_the_nth_publish_and_not_before(int n)
    {
        using FaultScript script = _broker.Script(FaultTrigger.Publish().OnConnection("x").Nth(n), FaultAction.Reset());
        for (int i = 1; i < n; i++)
            await PublishAsync($"{i}");
        await Assert.ThrowsAnyAsync<Exception>(() => PublishAsync("last"));
        Assert.Equal(1, script.Count);
        Assert.Equal(n - 1, await _broker.LookAsync(view => view.ReadyCount("q")));
    }

    [Fact]
    public async Task The_broker_closes_the_connection_with_code_and_text()
    {
        _broker.Script(FaultTrigger.Publish().WithMessageId("bad"), FaultAction.CloseConnection(541, "as scripted"));
        await PublishAsync("good");
        var closed = new TaskCompletionSource<ShutdownEventArgs>(TaskCreationOptions.RunContinuationsAsynchronously);
        _connection.ConnectionShutdownAsync += (_, e) => Task.FromResult(closed.TrySetResult(e));
        await Assert.ThrowsAnyAsync<Exception>(() => PublishAsync("m", "bad"));
        ShutdownEventArgs why = await closed.Task.WaitAsync(Limit, Cancelled);
        Assert.Equal((541, "INTERNAL_ERROR - as scripted"), (why.ReplyCode, why.ReplyText));
    }

    [Fact]
    public async Task The_broker_closes_one_channel()
    {
        _broker.Script(FaultTrigger.Publish().Nth(1), FaultAction.CloseChannel(406, "as scripted"));
        await Assert.ThrowsAnyAsync<Exception>(() => PublishAsync("m"));
        Assert.Equal("PRECONDITION_FAILED - as scripted", _channel.CloseReason?.ReplyText);
        Assert.True(_connection.IsOpen);
    }

    [Fact]
    public async Task A_dropped_connection_gives_its_messages_back()
    {
        await PublishAsync("m");
        var inbox = new Inbox(_channel);
        await _channel.BasicConsumeAsync("q", false, inbox.Consumer, Cancelled);
        await inbox.NextAsync();
        await _broker.InjectAsync(FaultAction.Drop(), "x");
        await _broker.WaitUntilAsync(
            view => view.ReadyCount("q") == 1 && view.Connections.Count == 0, cancellationToken: Cancelled);
        Assert.True(await _broker.LookAsync(view => view.Messages("q")[0].Redelivered));
    }

    [Fact]
    public async Task A_nack_and_a_return_are_told()
    {
        _broker.Script(FaultTrigger.Publish().WithMessageId("nack"), FaultAction.Nack());
        _broker.Script(FaultTrigger.Publish().WithMessageId("return"), FaultAction.Return(313, "NO_CONSUMERS"));
        PublishException nacked = await Assert.ThrowsAsync<PublishException>(() => PublishAsync("m", "nack"));
        PublishException returned = await Assert.ThrowsAnyAsync<PublishException>(() => PublishAsync("m", "return"));
        Assert.False(nacked.IsReturn);
        Assert.True(returned.IsReturn);
        Assert.Equal(0, await _broker.LookAsync(view => view.ReadyCount("q")));
    }

    [Fact]
    public async Task Confirms_come_in_another_order_and_each_once()
    {
        _broker.Script(FaultTrigger.Publish(), FaultAction.ReorderConfirms(10, seed: 7));
        await using IChannel c = await _connection.CreateChannelAsync(new CreateChannelOptions(true, false), Cancelled);
        var seen = new List<ulong>();
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        c.BasicAcksAsync += (_, e) =>
        {
            Assert.False(e.Multiple);
            seen.Add(e.DeliveryTag);
            if (seen.Count == 10)
                all.TrySetResult();
            return Task.CompletedTask;
        };
        for (int i = 0; i < 10; i++)
            await c.BasicPublishAsync("", "q", Encoding.UTF8.GetBytes($"{i}"), Cancelled);
        await all.Task.WaitAsync(Limit, Cancelled);
        Assert.Equal(Enumerable.Range(1, 10).Select(i => (ulong)i), seen.Order());
        Assert.NotEqual(seen.Order(), seen);
    }

    [Fact]
    public async Task A_confirm_that_is_dropped_is_not_covered_by_later_ones()
    {
        _broker.Script(FaultTrigger.Publish().Nth(2), FaultAction.DropConfirm());
        await PublishAsync("1");
        Task second = PublishAsync("2");
        await PublishAsync("3");
        await PublishAsync("4");
        Assert.False(second.IsCompleted);
        Assert.Equal(4, await _broker.LookAsync(view => view.ReadyCount("q")));
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task A_publish_that_is_ignored_is_not_covered_by_later_confirms(bool whole)
    {
        _broker.Script((whole ? FaultTrigger.Publish() : FaultTrigger.Publishing()).Nth(1), FaultAction.Ignore());
        using RawClient client = await RawClient.OpenAsync(_broker.Uri);
        await client.CallAsync(1, 85, 10, [0]);
        byte[] message = RawClient.Publish(1, "", "q", []);
        await client.SendAsync((byte[])[.. message, .. message, .. message]);
        Assert.Equal(2UL, await client.ConfirmedAsync());
        Assert.Equal(3UL, await client.ConfirmedAsync());
        Assert.Equal(2, await _broker.LookAsync(view => view.ReadyCount("q")));
    }

    [Fact]
    public async Task A_consumer_is_cancelled_and_a_delivery_lost_on_the_way_comes_again()
    {
        using FaultScript script = _broker.Script(FaultTrigger.Deliver().ForQueue("q").Nth(1), FaultAction.Redeliver());
        var inbox = new Inbox(_channel);
        await _channel.BasicConsumeAsync("q", false, inbox.Consumer, Cancelled);
        await PublishAsync("m");
        Assert.Equal("m redelivered", await inbox.TextAsync());
        await _broker.InjectAsync(FaultAction.CancelConsumer());
        await inbox.Cancelled;
        Assert.Equal(0, await _broker.LookAsync(view => view.ConsumerCount("q")));
    }

    [Fact]
    public async Task Publishers_are_blocked_until_the_alarm_ends()
    {
        await PublishAsync("before");
        var told = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        _connection.ConnectionBlockedAsync += (_, e) => Task.FromResult(told.TrySetResult(e.Reason));
        _broker.Block("low on patience");
        await _channel.QueueDeclarePassiveAsync("q", Cancelled);
        Assert.False(told.Task.IsCompleted);
        Task publish = PublishAsync("during");
        Assert.Equal("low on patience", await told.Task.WaitAsync(Limit, Cancelled));
        Assert.Equal(1, await _broker.LookAsync(view => view.ReadyCount("q")));
        Assert.False(publish.IsCompleted);
        _broker.Unblock();
        await publish.WaitAsync(Limit, Cancelled);
    }

    [Fact]
    public async Task A_message_larger_than_the_memory_limit_arrives()
    {
        await using AmqpTestBroker small = await AmqpTestBroker.StartAsync(
            new AmqpTestBrokerOptions { MemoryLimit = 1_000_000 }, Cancelled);
        using RawClient client = await RawClient.OpenAsync(small.Uri);
        await client.CallAsync(1, 50, 10, [0, 0, .. RawClient.ShortText("q"), 0, 0, 0, 0, 0]);
        await client.SendAsync(RawClient.Publish(1, "", "q", new byte[4_000_000]));
        await small.WaitUntilAsync(view => view.ReadyCount("q") == 1, cancellationToken: Cancelled);
    }

    [Fact]
    public async Task A_publisher_that_fills_the_memory_waits_until_there_is_room()
    {
        await using AmqpTestBroker small = await AmqpTestBroker.StartAsync(
            new AmqpTestBrokerOptions { MemoryLimit = 100_000 }, Cancelled);
        using RawClient client = await RawClient.OpenAsync(small.Uri);
        await client.CallAsync(1, 50, 10, [0, 0, .. RawClient.ShortText("q"), 0, 0, 0, 0, 0]);
        Task flood = client.SendAsync(
            Enumerable.Repeat(RawClient.Publish(1, "", "q", new byte[1000]), 1000).SelectMany(m => m).ToArray());
        await small.WaitUntilAsync(view => view.ReadyCount("q") >= 70, cancellationToken: Cancelled);
        using RawClient consumer = await RawClient.OpenAsync(small.Uri);
        Task<string> heldUp = client.CallAsync(1, 50, 10, [0, 0, .. RawClient.ShortText("q"), 1, 0, 0, 0, 0]);
        Assert.InRange(await small.LookAsync(view => view.ReadyCount("q")), 70, 200);
        Assert.False(heldUp.IsCompleted);
        await consumer.SendAsync(RawClient.Method(
            1, 60, 20, [0, 0, .. RawClient.ShortText("q"), .. RawClient.ShortText("c"), 2, 0, 0, 0, 0]));
        _ = consumer.UntilClosedAsync();
        await flood;
        Assert.Equal("method 50.11 on 1", await heldUp.WaitAsync(Limit, Cancelled));
    }

    [Fact]
    public async Task An_empty_message_counts_for_each_queue_that_has_it()
    {
        const int Queues = 100;
        await using AmqpTestBroker small = await AmqpTestBroker.StartAsync(
            new AmqpTestBrokerOptions { MemoryLimit = 1_000_000 }, Cancelled);
        using RawClient client = await RawClient.OpenAsync(small.Uri);
        for (int i = 0; i < Queues; i++)
        {
            byte[] name = RawClient.ShortText($"q{i}");
            await client.CallAsync(1, 50, 10, [0, 0, .. name, 0, 0, 0, 0, 0]);
            await client.CallAsync(1, 50, 20, [0, 0, .. name, .. RawClient.ShortText("amq.fanout"), 0, 0, 0, 0, 0, 0]);
        }
        byte[] message = RawClient.Publish(1, "amq.fanout", "", []);
        _ = client.SendAsync(Enumerable.Repeat(message, 2_000).SelectMany(m => m).ToArray());
        await small.WaitUntilAsync(view => view.Connections[0].IsBlocked, cancellationToken: Cancelled);
        int entries = await small.LookAsync(view => Enumerable.Range(0, Queues).Sum(i => view.ReadyCount($"q{i}")));
        // 1,000,000 / 256, and an eighth more before it is counted again.
        Assert.InRange(entries, 3_900, 4_700);
    }

    [Fact]
    public async Task A_login_is_refused()
    {
        _broker.Script(FaultTrigger.LogIn().OnConnection("other"), FaultAction.RefuseAuthentication());
        BrokerUnreachableException refused = await Assert.ThrowsAsync<BrokerUnreachableException>(
            () => ConnectAsync("other"));
        Assert.IsType<AuthenticationFailureException>(refused.InnerException);
    }

    [Fact]
    public async Task A_declaration_is_answered_late_and_carried_out_once()
    {
        _broker.Script(
            FaultTrigger.QueueDeclare().ForQueue("late"), FaultAction.AnswerLate(TimeSpan.FromMilliseconds(150)));
        long start = TimeProvider.System.GetTimestamp();
        await _channel.QueueDeclareAsync("late", false, false, false, cancellationToken: Cancelled);
        Assert.True(TimeProvider.System.GetElapsedTime(start) >= TimeSpan.FromMilliseconds(140));
        Assert.Single(await _broker.LookAsync(
            view => view.Events.Where(e => e.Queue == "late" && e.Name == "queue.declare").ToList()));
    }

    [Theory]
    [InlineData(MalformedFrame.WrongEnd)]
    [InlineData(MalformedFrame.UnknownType)]
    [InlineData(MalformedFrame.Noise)]
    public async Task A_malformed_frame_ends_the_connection(MalformedFrame kind)
    {
        var closed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _connection.ConnectionShutdownAsync += (_, _) => Task.FromResult(closed.TrySetResult());
        await _broker.InjectAsync(FaultAction.Malformed(kind));
        await closed.Task.WaitAsync(Limit, Cancelled);
    }

    [Fact]
    public async Task The_output_ends_inside_a_body()
    {
        _broker.Script(FaultTrigger.Deliver(), FaultAction.CutAfter(1000));
        using RawClient client = await RawClient.OpenAsync(_broker.Uri);
        await client.CallAsync(
            1, 60, 20, [0, 0, .. RawClient.ShortText("q"), .. RawClient.ShortText("c"), 2, 0, 0, 0, 0]);
        await PublishAsync(new string('x', 5000));
        Assert.Equal(1000, (await client.RestAsync()).Length);
    }

    [Fact]
    public async Task A_frozen_connection_answers_nothing()
    {
        using RawClient client = await RawClient.OpenAsync(_broker.Uri);
        await _broker.InjectAsync(FaultAction.Freeze());
        await client.SendAsync(RawClient.Method(2, 20, 10, [0]));
        Task<string> answer = client.NextAsync();
        await _broker.LookAsync(_ => true);
        Assert.False(answer.IsCompleted);
        await _broker.KillAsync(Cancelled);
        Assert.Equal("end", await answer);
    }

    [Fact]
    public async Task A_restart_keeps_what_is_durable_and_persistent()
    {
        await PublishAsync("kept", persistent: true);
        await PublishAsync("lost");
        await _channel.QueueDeclareAsync("passing", false, false, false, cancellationToken: Cancelled);
        int port = _broker.Port;
        await _broker.StopAsync(Cancelled);
        await _broker.StartAgainAsync(Cancelled);
        Assert.Equal(port, _broker.Port);
        Assert.Equal(
            "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'",
            _connection.CloseReason?.ReplyText);
        Assert.Equal(["kept"], (await _broker.LookAsync(view => view.Messages("q"))).Select(m => m.Text));
        Assert.False(await _broker.LookAsync(view => view.HasQueue("passing")));
        await using IConnection again = await ConnectAsync();
    }

    [Fact]
    public async Task A_restart_gives_a_quorum_queue_its_messages_back_in_order()
    {
        await _channel.QueueDeclareAsync(
            "quorum", true, false, false, new Dictionary<string, object?> { ["x-queue-type"] = "quorum" },
            cancellationToken: Cancelled);
        for (int i = 0; i < 4; i++)
            await _channel.BasicPublishAsync("", "quorum", Encoding.UTF8.GetBytes($"{i}"), Cancelled);
        for (int i = 0; i < 3; i++)
            await _channel.BasicGetAsync("quorum", false, Cancelled);
        await _broker.KillAsync(Cancelled);
        await _broker.StartAgainAsync(Cancelled);
        Assert.Equal(
            ["0", "1", "2", "3"], (await _broker.LookAsync(view => view.Messages("quorum"))).Select(m => m.Text));
    }

    [Fact]
    public async Task The_same_seed_chooses_the_same_messages()
    {
        async Task<string> RunAsync()
        {
            await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(cancellationToken: Cancelled);
            broker.Script(FaultTrigger.Publish().EveryNth(5, seed: 42), FaultAction.Nack());
            await using IConnection connection = await new ConnectionFactory { Uri = broker.Uri }.CreateConnectionAsync(
                "x", Cancelled);
            await using IChannel channel = await connection.CreateChannelAsync(cancellationToken: Cancelled);
            for (int i = 0; i < 30; i++)
                await channel.BasicPublishAsync("amq.direct", $"{i}", ReadOnlyMemory<byte>.Empty, Cancelled);
            await broker.WaitUntilAsync(view => view.Published().Count == 30, cancellationToken: Cancelled);
            return await broker.LookAsync(
                view => string.Join(' ', view.Events.Select(e => $"{e.Number}{e.Name}{e.RoutingKey}")));
        }
        Assert.Equal(await RunAsync(), await RunAsync());
    }

    [Fact]
    public async Task What_arrived_is_seen_by_connection_channel_and_queue()
    {
        await PublishAsync("a", "1");
        await using IConnection other = await ConnectAsync("other");
        await using IChannel channel = await other.CreateChannelAsync(cancellationToken: Cancelled);
        await channel.BasicPublishAsync("", "q", "b"u8.ToArray(), Cancelled);
        await _broker.WaitUntilAsync(view => view.Published(queue: "q").Count == 2, cancellationToken: Cancelled);
        Assert.Equal(["a"], (await _broker.LookAsync(view => view.Published("x"))).Select(m => m.Text));
        Assert.Equal(["b"], (await _broker.LookAsync(view => view.Published("other", 1, "q"))).Select(m => m.Text));
        Assert.Equal("1", (await _broker.LookAsync(view => view.Messages("q")))[0].MessageId);
    }

    [Fact]
    public async Task Permissions_are_kept()
    {
        _broker.AddUser("reader", "secret");
        _broker.SetPermissions("reader", configure: "", write: "", read: "^q$");
        await using IConnection reader = await new ConnectionFactory
        {
            HostName = "127.0.0.1",
            Port = _broker.Port,
            UserName = "reader",
            Password = "secret"
        }
            .CreateConnectionAsync(Cancelled);
        await using IChannel channel = await reader.CreateChannelAsync(cancellationToken: Cancelled);
        Assert.Null(await channel.BasicGetAsync("q", true, Cancelled));
        OperationInterruptedException refused = await Assert.ThrowsAsync<OperationInterruptedException>(
            () => channel.QueueDeclareAsync("new", cancellationToken: Cancelled));
        Assert.Equal(
            "ACCESS_REFUSED - configure access to queue 'new' in vhost '/' refused for user 'reader'",
            refused.ShutdownReason!.ReplyText);
    }

    private Task<IConnection> ConnectAsync(string name = "x")
        => new ConnectionFactory { Uri = _broker.Uri, AutomaticRecoveryEnabled = false }.CreateConnectionAsync(
            name, Cancelled);

    private async Task PublishAsync(string body, string? id = null, bool persistent = false) =>
        await _channel.BasicPublishAsync("", "q", false,
            new BasicProperties { MessageId = id, Persistent = persistent }, Encoding.UTF8.GetBytes(body), Cancelled);
}
