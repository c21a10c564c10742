namespace SafeAmqp.Testing.Tests.Faults;

/// <summary>What is answered late is carried out once, and everything around it goes its way.</summary>
public sealed class LateTests
{
    private static readonly FaultAction Late = FaultAction.AnswerLate(TimeSpan.FromMilliseconds(50));

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("connection.start-ok")]
    [InlineData("connection.tune-ok")]
    [InlineData("connection.open")]
    [InlineData("channel.open")]
    public async Task What_opens_a_connection_or_a_channel_is_answered_late(string method)
    {
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(cancellationToken: Cancelled);
        using FaultScript script = broker.Script(
            FaultTrigger.OnMethod(method), FaultAction.AnswerLate(TimeSpan.FromMilliseconds(150)));
        long start = TimeProvider.System.GetTimestamp();
        await using IConnection connection =
            await new ConnectionFactory { Uri = broker.Uri, AutomaticRecoveryEnabled = false }.CreateConnectionAsync(
                "late", Cancelled);
        await using IChannel channel = await connection.CreateChannelAsync(cancellationToken: Cancelled);
        Assert.True(TimeProvider.System.GetElapsedTime(start) >= TimeSpan.FromMilliseconds(140));
        await channel.QueueDeclareAsync("", false, true, false, cancellationToken: Cancelled);
        Assert.Single(await broker.LookAsync(
            view => view.Events.Where(e => e.Connection == "late" && e.Name == method).ToList()));
    }

    [Fact]
    public async Task Only_what_a_client_sends_can_be_answered_late()
    {
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(cancellationToken: Cancelled);
        FaultTrigger[] unanswered = [FaultTrigger.Connect(), FaultTrigger.Publishing(), FaultTrigger.Deliver()];
        foreach (FaultAction action in (FaultAction[])[Late, FaultAction.Block().Then(Late)])
        {
            Assert.All(unanswered, trigger => Assert.Throws<ArgumentException>(() => broker.Script(trigger, action)));
            await Assert.ThrowsAsync<ArgumentException>(() => broker.InjectAsync(action));
        }
    }

    [Fact]
    public async Task What_a_late_method_brings_about_meets_its_scripts()
    {
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(cancellationToken: Cancelled);
        using RawClient client = await RawClient.OpenAsync(broker.Uri);
        await client.CallAsync(1, 50, 10, [0, 0, .. RawClient.ShortText("q"), 0, 0, 0, 0, 0]);
        await client.SendAsync(RawClient.Publish(1, "", "q", [1]));
        using FaultScript consume = broker.Script(FaultTrigger.Consume(), Late);
        using FaultScript deliver = broker.Script(FaultTrigger.Deliver(), FaultAction.Slow(0));
        Assert.Equal("method 60.21 on 1", await client.CallAsync(
            1, 60, 20, [0, 0, .. RawClient.ShortText("q"), .. RawClient.ShortText("c"), 0, 0, 0, 0, 0]));
        Assert.Equal("method 60.60 on 1", await client.NextAsync());
        Assert.Equal((1, 1), (consume.Count, deliver.Count));
        Assert.Equal(2, await broker.LookAsync(view => view.Events.Count(e => e.Name == "fault")));
    }

    [Fact]
    public async Task The_end_of_a_connection_that_a_late_close_brings_is_seen()
    {
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(cancellationToken: Cancelled);
        using RawClient client = await RawClient.OpenAsync(broker.Uri);
        broker.Script(FaultTrigger.OnMethod("connection.close"), Late);
        Assert.Equal("method 10.51 on 0", await client.CallAsync(
            0, 10, 50, [0, 200, .. RawClient.ShortText("bye"), 0, 0, 0, 0]));
        Assert.Equal(["connection.close", "fault", "connection.closed"], await broker.LookAsync(
            view => view.Events.Select(e => e.Name).SkipWhile(name => name != "connection.close").ToList()));
    }

    [Fact]
    public async Task A_connection_that_is_closed_while_a_method_waits_hears_the_answer_at_once()
    {
        var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider();
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(
            new AmqpTestBrokerOptions { TimeProvider = time }, Cancelled);
        using RawClient client = await RawClient.OpenAsync(broker.Uri);
        broker.Script(FaultTrigger.QueueDeclare(), Late.Then(FaultAction.CloseConnection()));
        Assert.StartsWith("close connection 320", await client.CallAsync(
            1, 50, 10, [0, 0, .. RawClient.ShortText("q"), 0, 0, 0, 0, 0]), StringComparison.Ordinal);
        await client.SendAsync(RawClient.Method(0, 10, 51, []));
        Assert.Equal("end", await client.NextAsync());
    }
}
