using System.Net.Sockets;
using System.Text;

namespace SafeAmqp.Testing.Tests.Faults;

/// <summary>Which of the moments that fit a trigger are chosen, and moments other than a publish.</summary>
public sealed class TriggerTests : IAsyncLifetime
{
    private AmqpTestBroker _broker = null!;
    private IConnection _connection = null!;
    private IChannel _channel = null!;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public static TheoryData<string, int[]> Counted => new()
    {
        { "nth", [4] },
        { "after", [8, 9, 10] },
        { "every third", [3, 6, 9] },
        { "every third, twice", [3, 6] },
        { "by message id", [5] },
        { "by a condition", [2, 4, 6, 8, 10] },
        { "on another channel", [] },
        { "on another connection", [] },
        { "for another exchange", [] },
    };

    public async ValueTask InitializeAsync()
    {
        _broker = await AmqpTestBroker.StartAsync();
        _connection = await new ConnectionFactory { Uri = _broker.Uri, AutomaticRecoveryEnabled = false }
            .CreateConnectionAsync("x", Cancelled);
        _channel = await _connection.CreateChannelAsync(new CreateChannelOptions(true, true), Cancelled);
        await _channel.QueueDeclareAsync("q", false, false, false, cancellationToken: Cancelled);
    }

    public async ValueTask DisposeAsync()
    {
        await _connection.DisposeAsync();
        await _broker.DisposeAsync();
    }

    [Theory]
    [MemberData(nameof(Counted))]
    public async Task Those_that_fit_are_counted_and_chosen(string which, int[] expected)
    {
        var publish = FaultTrigger.Publish();
        using FaultScript script = _broker.Script(which switch
        {
            "nth" => publish.Nth(4),
            "after" => publish.After(7),
            "every third" => publish.EveryNth(3),
            "every third, twice" => publish.EveryNth(3).Times(2),
            "by message id" => publish.WithMessageId("5"),
            "by a condition" => publish.Where(
                moment => int.Parse(moment.MessageId!, System.Globalization.CultureInfo.InvariantCulture) % 2 == 0),
            "on another channel" => publish.OnChannel(7),
            "on another connection" => publish.OnConnection("y"),
            _ => publish.ForExchange("amq.direct"),
        }, FaultAction.Nack());
        var nacked = new List<int>();
        for (int i = 1; i <= 10; i++)
        {
            try
            {
                await _channel.BasicPublishAsync(
                    "", "q", false, new BasicProperties { MessageId = $"{i}" }, ReadOnlyMemory<byte>.Empty, Cancelled);
            }
            catch (RabbitMQ.Client.Exceptions.PublishException)
            {
                nacked.Add(i);
            }
        }
        Assert.Equal(expected, nacked);
        Assert.Equal(expected.Length, script.Count);
    }

    [Fact]
    public async Task One_of_each_group_is_drawn_by_the_seed()
    {
        _broker.Script(FaultTrigger.Publish().EveryNth(5, seed: 3), FaultAction.Nack());
        var nacked = new List<int>();
        for (int i = 0; i < 50; i++)
        {
            try
            {
                await _channel.BasicPublishAsync("", "q", ReadOnlyMemory<byte>.Empty, Cancelled);
            }
            catch (RabbitMQ.Client.Exceptions.PublishException)
            {
                nacked.Add(i);
            }
        }
        Assert.Equal(Enumerable.Range(0, 10), nacked.Select(i => i / 5));
        Assert.True(nacked.Select(i => i % 5).Distinct().Count() > 1, string.Join(' ', nacked));
    }

    [Fact]
    public async Task A_socket_is_reset_as_soon_as_it_connects()
    {
        using FaultScript script = _broker.Script(FaultTrigger.Connect().Times(2), FaultAction.Reset());
        for (int i = 0; i < 2; i++)
            Assert.Equal("end", await EndAsync());
        Assert.Equal(2, script.Count);
        using RawClient accepted = await RawClient.OpenAsync(_broker.Uri);

        async Task<string> EndAsync()
        {
            try
            {
                using RawClient refused = await RawClient.ConnectAsync(_broker.Uri);
                return await refused.NextAsync();
            }
            catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionReset)
            {
                return "end"; // so soon that connecting itself found it
            }
        }
    }

    [Fact]
    public async Task A_connection_ends_between_the_header_and_the_body_of_a_message()
    {
        _broker.Script(FaultTrigger.Publishing(), FaultAction.Drop());
        using RawClient client = await RawClient.OpenAsync(_broker.Uri);
        await client.SendAsync((byte[])[.. RawClient.PublishMethod(1, "", "q"), .. RawClient.Header(1, 3)]);
        Assert.Equal("end", await client.NextAsync());
        Assert.Equal(0, await _broker.LookAsync(view => view.ReadyCount("q")));
    }

    [Fact]
    public async Task An_acknowledgement_that_is_ignored_leaves_the_message_unacknowledged()
    {
        _broker.Script(FaultTrigger.Ack(), FaultAction.Ignore());
        var inbox = new Inbox(_channel);
        await _channel.BasicConsumeAsync("q", false, inbox.Consumer, Cancelled);
        await _channel.BasicPublishAsync("", "q", "m"u8.ToArray(), Cancelled);
        await _channel.BasicAckAsync((await inbox.NextAsync()).DeliveryTag, false, Cancelled);
        await _channel.QueueDeclarePassiveAsync("q", Cancelled); // behind the ack
        Assert.Equal(1, await _broker.LookAsync(view => view.UnacknowledgedCount("q")));
    }

    [Fact]
    public async Task A_confirm_comes_later_than_those_behind_it()
    {
        var delay = TimeSpan.FromMilliseconds(300);
        _broker.Script(FaultTrigger.Publish().WithMessageId("late"), FaultAction.DelayConfirm(delay));
        long start = TimeProvider.System.GetTimestamp();
        Task late = _channel.BasicPublishAsync(
            "", "q", false, new BasicProperties { MessageId = "late" }, ReadOnlyMemory<byte>.Empty, Cancelled).AsTask();
        await _channel.BasicPublishAsync("", "q", ReadOnlyMemory<byte>.Empty, Cancelled);
        await late.WaitAsync(Stage.Limit, Cancelled);
        Assert.True(TimeProvider.System.GetElapsedTime(start) >= delay - TimeSpan.FromMilliseconds(20));
    }

    [Fact]
    public async Task A_script_blocks_and_another_unblocks()
    {
        var blocked = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
        var unblocked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _connection.ConnectionBlockedAsync += (_, e) => Task.FromResult(blocked.TrySetResult(e.Reason));
        _connection.ConnectionUnblockedAsync += (_, _) => Task.FromResult(unblocked.TrySetResult());
        _broker.Script(FaultTrigger.Publish().Nth(2), FaultAction.Block("by script"));
        _broker.Script(FaultTrigger.OnMethod("queue.purge"), FaultAction.Unblock());
        await _channel.BasicPublishAsync("", "q", ReadOnlyMemory<byte>.Empty, Cancelled);
        await _channel.BasicPublishAsync("", "q", ReadOnlyMemory<byte>.Empty, Cancelled);
        Assert.Equal("by script", await blocked.Task.WaitAsync(Stage.Limit, Cancelled));
        using RawClient other = await RawClient.OpenAsync(_broker.Uri);
        await other.CallAsync(1, 50, 30, [0, 0, .. RawClient.ShortText("q"), 0]);
        await unblocked.Task.WaitAsync(Stage.Limit, Cancelled);
    }

    [Fact]
    public async Task Octets_of_the_tests_own_are_sent_as_they_are()
    {
        using RawClient client = await RawClient.OpenAsync(_broker.Uri);
        _broker.Script(
            FaultTrigger.OnMethod("queue.purge"),
            FaultAction.Send(RawClient.Method(1, 20, 20, [1])).Then(FaultAction.Ignore()));
        Assert.Equal("method 20.20 on 1", await client.CallAsync(1, 50, 30, [0, 0, .. RawClient.ShortText("q"), 0]));
    }

    [Fact]
    public async Task A_flood_of_messages_does_not_wash_away_what_else_was_seen()
    {
        await using AmqpTestBroker small = await AmqpTestBroker.StartAsync(
            new AmqpTestBrokerOptions { HistoryCapacity = 20 }, Cancelled);
        using RawClient client = await RawClient.OpenAsync(small.Uri);
        for (int i = 0; i < 100; i++)
            await client.SendAsync(RawClient.Publish(1, "amq.direct", $"{i}", Encoding.UTF8.GetBytes($"{i}")));
        Assert.Contains(
            "404",
            await client.CallAsync(1, 50, 30, [0, 0, .. RawClient.ShortText("missing"), 0]),
            StringComparison.Ordinal);
        IReadOnlyList<AmqpTestEvent> events = await small.LookAsync(view => view.Events.ToList());
        Assert.Equal(events.Select(e => e.Number).Order(), events.Select(e => e.Number));
        Assert.Equal(20, events.Count(e => e.Name == "basic.publish"));
        Assert.Contains(events, e => e.Name == "connection.open");
        AmqpTestEvent error = Assert.Single(await small.LookAsync(view => view.Errors));
        Assert.Equal(
            ("channel.error", 404, "NOT_FOUND - no queue 'missing' in vhost '/'"),
            (error.Name, error.ReplyCode, error.ReplyText));
    }

    [Fact]
    public async Task An_error_stays_whatever_else_is_seen_after_it()
    {
        await using AmqpTestBroker small = await AmqpTestBroker.StartAsync(
            new AmqpTestBrokerOptions { HistoryCapacity = 20 }, Cancelled);
        using RawClient client = await RawClient.OpenAsync(small.Uri);
        await client.CallAsync(1, 50, 30, [0, 0, .. RawClient.ShortText("missing"), 0]);
        await client.SendAsync(RawClient.Method(1, 20, 41, []));
        await client.CallAsync(1, 20, 10, [0]);
        for (int i = 0; i < 100; i++)
            await client.CallAsync(1, 60, 10, [0, 0, 0, 0, 0, 1, 0]);
        Assert.Equal(404, Assert.Single(await small.LookAsync(view => view.Errors)).ReplyCode);
        List<AmqpTestEvent> events = await small.LookAsync(view => view.Events.ToList());
        Assert.Equal(events.Select(e => e.Number).Order(), events.Select(e => e.Number));
        Assert.Equal("channel.error", events[0].Name);
        Assert.Equal(21, events.Count);
    }
}
