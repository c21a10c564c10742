using Microsoft.Extensions.Time.Testing;

namespace SafeAmqp.Testing.Tests.Faults;

/// <summary>What a script waits for can come, and what it does fits its moment; anything else is refused.</summary>
public sealed class MomentTests : IAsyncLifetime
{
    private static readonly byte[] Mark = RawClient.Method(1, 20, 20, [1]);
    private AmqpTestBroker _broker = null!;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public static TheoryData<string, ushort, ushort, ushort, byte[]> Caught => new()
    {
        { "connection.update-secret", 0, 10, 70, [.. RawClient.LongText("secret"), .. RawClient.ShortText("why")] },
        { "channel.flow", 1, 20, 20, [1] },
        { "basic.qos", 1, 60, 10, [0, 0, 0, 0, 0, 1, 0] },
        { "basic.cancel", 1, 60, 30, [.. RawClient.ShortText("none"), 0] },
        { "basic.recover-async", 1, 60, 100, [1] },
        { "basic.recover", 1, 60, 110, [1] },
        { "confirm.select", 1, 85, 10, [0] },
        { "tx.select", 1, 90, 10, [] },
        { "tx.commit", 1, 90, 20, [] },
        { "tx.rollback", 1, 90, 30, [] },
    };

    public static TheoryData<string> NotCaught =>
    [
        "no.method", "connection.secure-ok", "connection.close-ok", "connection.blocked", "connection.unblocked",
        "channel.flow-ok", "channel.close-ok", "basic.cancel-ok", "basic.return",
    ];

    public async ValueTask InitializeAsync() => _broker = await AmqpTestBroker.StartAsync();

    public async ValueTask DisposeAsync() => await _broker.DisposeAsync();

    [Theory]
    [MemberData(nameof(Caught))]
    public async Task A_method_of_a_client_meets_its_script_and_is_seen(
        string name, ushort channel, ushort classId, ushort methodId, byte[] fields)
    {
        using RawClient client = await RawClient.OpenAsync(_broker.Uri);
        using FaultScript script = _broker.Script(
            FaultTrigger.OnMethod(name), FaultAction.Send(Mark).Then(FaultAction.Ignore()));
        await client.SendAsync(RawClient.Method(channel, classId, methodId, fields));
        await client.SendAsync(RawClient.Method(1, 50, 10, [0, 0, .. RawClient.ShortText("q"), 0, 0, 0, 0, 0]));
        Assert.Equal("method 20.20 on 1", await client.NextAsync());
        Assert.Equal("method 50.11 on 1", await client.NextAsync());
        Assert.Equal(1, script.Count);
        Assert.Single(await _broker.LookAsync(view => view.Events.Where(e => e.Name == name).ToList()));
    }

    [Theory]
    [MemberData(nameof(NotCaught))]
    public void A_method_that_no_script_can_catch_is_refused(string name)
        => Assert.Throws<ArgumentException>(() => FaultTrigger.OnMethod(name));

    [Fact]
    public void A_condition_on_what_its_moment_does_not_have_is_refused()
    {
        Func<FaultTrigger>[] never =
        [
            () => FaultTrigger.Publish().ForQueue("q"),
            () => FaultTrigger.Publishing().ForQueue("q"),
            () => FaultTrigger.OnMethod("basic.qos").ForQueue("q"),
            () => FaultTrigger.LogIn().ForExchange("x"),
            () => FaultTrigger.Consume().ForExchange("x"),
            () => FaultTrigger.QueueDeclare().WithMessageId("1"),
            () => FaultTrigger.Connect().OnConnection("name"),
            () => FaultTrigger.LogIn().OnChannel(1),
        ];
        Assert.All(never, trigger => Assert.Throws<ArgumentException>(trigger));
    }

    [Fact]
    public async Task What_cannot_be_done_at_a_moment_is_refused()
    {
        FaultAction[] ofPublishes =
        [
            FaultAction.Nack(), FaultAction.Return(), FaultAction.DelayConfirm(TimeSpan.Zero),
            FaultAction.DropConfirm(), FaultAction.ReorderConfirms(2, 1),
        ];
        foreach (FaultAction action in ofPublishes)
        {
            Assert.Throws<ArgumentException>(() => _broker.Script(FaultTrigger.Deliver(), action));
            await Assert.ThrowsAsync<ArgumentException>(() => _broker.InjectAsync(action));
        }
        foreach (FaultAction action in (FaultAction[])[FaultAction.CloseChannel(), FaultAction.CancelConsumer()])
            Assert.Throws<ArgumentException>(() => _broker.Script(FaultTrigger.LogIn(), action));
        var redeliver = FaultAction.Redeliver();
        Assert.Throws<ArgumentException>(() => _broker.Script(FaultTrigger.Publish(), redeliver));
        await Assert.ThrowsAsync<ArgumentException>(() => _broker.InjectAsync(redeliver));
        _broker.Script(FaultTrigger.OnMethod("basic.nack"), redeliver);
    }

    [Fact]
    public async Task A_settlement_is_known_by_the_queue_and_the_message_that_it_is_of()
    {
        await using IConnection connection = await new ConnectionFactory
        {
            Uri = _broker.Uri,
            AutomaticRecoveryEnabled = false // with it the client sends no tag 0
        }.CreateConnectionAsync(Cancelled);
        await using IChannel channel = await connection.CreateChannelAsync(
            new CreateChannelOptions(true, true), Cancelled);
        foreach (string queue in (string[])["q", "other"])
            await channel.QueueDeclareAsync(queue, false, false, false, cancellationToken: Cancelled);
        string?[] keys = ["q", "q", "q", "other"];
        for (int i = 0; i < keys.Length; i++)
            await channel.BasicPublishAsync("", keys[i]!, false, new BasicProperties { MessageId = $"{i + 1}" },
                ReadOnlyMemory<byte>.Empty, Cancelled);
        FaultTrigger[] triggers =
        [
            FaultTrigger.Ack().ForQueue("q"), FaultTrigger.Ack().ForQueue("other"),
            FaultTrigger.Ack().WithMessageId("1"), FaultTrigger.Ack().ForExchange("amq.direct"),
            FaultTrigger.OnMethod("basic.nack").Where(moment => moment is { RoutingKey: "q", MessageId: "3" }),
        ];
        var scripts = triggers.Select(trigger => _broker.Script(trigger, FaultAction.Slow(0))).ToList();
        var tags = new List<ulong>();
        foreach (string? key in keys)
            tags.Add((await channel.BasicGetAsync(key!, false, Cancelled))!.DeliveryTag);
        await channel.BasicAckAsync(tags[0], false, Cancelled);
        await channel.BasicAckAsync(tags[1], true, Cancelled);
        await channel.BasicNackAsync(tags[2], false, false, Cancelled);
        await channel.BasicAckAsync(0, true, Cancelled); // all there are: the newest
        await channel.QueueDeclarePassiveAsync("q", Cancelled); // behind them
        Assert.Equal([2, 1, 1, 0, 1], scripts.Select(script => script.Count));
    }

    [Fact]
    public async Task The_end_of_a_consumer_is_known_by_its_queue()
    {
        using RawClient client = await RawClient.OpenAsync(_broker.Uri);
        byte[] queue = RawClient.ShortText("q"), tag = RawClient.ShortText("c");
        await client.CallAsync(1, 50, 10, [0, 0, .. queue, 0, 0, 0, 0, 0]);
        await client.CallAsync(1, 60, 20, [0, 0, .. queue, .. tag, 0, 0, 0, 0, 0]);
        using FaultScript script = _broker.Script(
            FaultTrigger.OnMethod("basic.cancel").ForQueue("q"), FaultAction.Slow(0));
        Assert.Equal("method 60.31 on 1", await client.CallAsync(1, 60, 30, [.. tag, 0]));
        Assert.Equal(1, script.Count);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(3)]
    public async Task A_publish_that_is_ignored_from_its_header_on_has_no_effect_and_costs_nothing_else(int octets)
    {
        using RawClient client = await RawClient.OpenAsync(_broker.Uri);
        await client.CallAsync(1, 50, 10, [0, 0, .. RawClient.ShortText("q"), 0, 0, 0, 0, 0]);
        await client.CallAsync(1, 85, 10, [0]);
        _broker.Script(FaultTrigger.Publishing().Nth(1), FaultAction.Ignore());
        await client.SendAsync(RawClient.Publish(1, "", "q", new byte[octets]));
        await client.SendAsync(RawClient.Publish(1, "", "q", [9]));
        Assert.Equal(2UL, await client.ConfirmedAsync());
        Assert.Equal([9], Assert.Single(await _broker.LookAsync(view => view.Messages("q"))).Body.ToArray());
    }

    [Fact]
    public async Task What_is_sent_after_a_script_was_given_meets_it()
    {
        using RawClient client = await RawClient.OpenAsync(_broker.Uri);
        await client.CallAsync(1, 85, 10, [0]);
        // The broker has read both messages when it comes to the first.
        _broker.Script(FaultTrigger.Publish().Nth(1).Where(_ =>
        {
            _broker.Script(FaultTrigger.Publish(), FaultAction.Nack());
            return true;
        }), FaultAction.Slow(0));
        byte[] message = RawClient.Publish(1, "amq.direct", "nowhere", [1]);
        await client.SendAsync((byte[])[.. message, .. message, .. RawClient.Method(1, 20, 20, [1])]);
        Assert.Equal("method 60.80 on 1", await client.NextAsync());
        Assert.Equal("method 60.120 on 1", await client.NextAsync());
    }

    [Fact]
    public async Task A_consumer_of_a_stream_is_cancelled_at_its_delivery()
    {
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(
            new AmqpTestBrokerOptions { TimeProvider = new FakeTimeProvider(), Heartbeat = TimeSpan.Zero }, Cancelled);
        await using IConnection connection = await new ConnectionFactory
        {
            Uri = broker.Uri,
            RequestedHeartbeat = TimeSpan.Zero
        }.CreateConnectionAsync(Cancelled);
        await using IChannel channel = await connection.CreateChannelAsync(
            new CreateChannelOptions(true, true), Cancelled);
        await channel.QueueDeclareAsync("s", true, false, false,
            new Dictionary<string, object?> { ["x-queue-type"] = "stream" }, cancellationToken: Cancelled);
        await channel.BasicQosAsync(0, 10, false, Cancelled);
        var inbox = new Inbox(channel);
        await channel.BasicConsumeAsync("s", false, inbox.Consumer, Cancelled);
        broker.Script(FaultTrigger.Deliver(), FaultAction.CancelConsumer());
        using RawClient publisher = await RawClient.OpenAsync(broker.Uri);
        await publisher.SendAsync(RawClient.Publish(1, "", "s", "m"u8.ToArray()));
        await inbox.Cancelled; // and nothing else happens in the broker meanwhile
        Assert.Equal("m", await inbox.TextAsync());
    }

    [Fact]
    public async Task What_is_injected_happens_once_and_what_concerns_channels_on_each()
    {
        using RawClient client = await RawClient.OpenAsync(_broker.Uri);
        await client.CallAsync(2, 20, 10, [0]);
        await client.CallAsync(3, 20, 10, [0]);
        await _broker.InjectAsync(FaultAction.Malformed(MalformedFrame.UnknownMethod)
            .Then(FaultAction.Malformed(MalformedFrame.UnknownChannel)).Then(FaultAction.Send(Mark))
            .Then(FaultAction.CloseChannel()));
        string[] expected =
        [
            .. Enumerable.Range(1, 3).Select(channel => $"method 32639.32639 on {channel}"),
            "method 60.80 on 65535", "method 20.20 on 1",
            .. Enumerable.Repeat("close channel 406 PRECONDITION_FAILED - closed by script class 0 method 0", 3),
        ];
        foreach (string frame in expected)
            Assert.Equal(frame, await client.NextAsync());
        Assert.Equal("method 10.51 on 0", await client.CallAsync(
            0, 10, 50, [0, 200, .. RawClient.ShortText("bye"), 0, 0, 0, 0]));
    }
}
