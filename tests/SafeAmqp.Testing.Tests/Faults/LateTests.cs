namespace SafeAmqp.Testing.Tests.Faults;

/// <summary>What opens something is answered late and still carried out once.</summary>
public sealed class LateTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("connection.start-ok")]
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
}
