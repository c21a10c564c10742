using System.Diagnostics;

namespace SafeAmqp.Testing.Tests.Faults;

/// <summary>
/// A connection that is slow in one direction or in both. Only lower bounds are asserted: the machine may be slow as
/// well.
/// </summary>
public sealed class SlowTests
{
    private const int Rate = 20_000;
    private const int BodySize = 10_000;
    private static readonly TimeSpan AtLeast = TimeSpan.FromSeconds(0.4);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(FaultDirection.ToClient)]
    [InlineData(FaultDirection.ToBroker)]
    [InlineData(FaultDirection.Both)]
    public async Task A_slow_connection_takes_its_time_in_the_direction_that_is_slow(FaultDirection direction)
    {
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(cancellationToken: Cancelled);
        await using IConnection connection =
            await new ConnectionFactory { Uri = broker.Uri, AutomaticRecoveryEnabled = false }.CreateConnectionAsync(
                "slow", Cancelled);
        await using IChannel channel = await connection.CreateChannelAsync(
            new CreateChannelOptions(true, true), Cancelled);
        await channel.QueueDeclareAsync("q", false, false, false, cancellationToken: Cancelled);
        await broker.InjectAsync(FaultAction.Slow(Rate, direction), "slow");
        // The receive that waits while the limit is set is still done whole: this is what it gets.
        await channel.QueueDeclarePassiveAsync("q", Cancelled);

        long start = Stopwatch.GetTimestamp();
        await channel.BasicPublishAsync("", "q", new byte[BodySize], Cancelled);
        TimeSpan publishing = Stopwatch.GetElapsedTime(start);
        start = Stopwatch.GetTimestamp();
        Assert.Equal(BodySize, (await channel.BasicGetAsync("q", true, Cancelled))!.Body.Length);
        TimeSpan getting = Stopwatch.GetElapsedTime(start);

        if (direction != FaultDirection.ToClient)
            Assert.True(publishing >= AtLeast, $"{BodySize} octets came in {publishing} at {Rate} a second");
        if (direction != FaultDirection.ToBroker)
            Assert.True(getting >= AtLeast, $"{BodySize} octets left in {getting} at {Rate} a second");

        await broker.InjectAsync(FaultAction.Slow(0, FaultDirection.Both), "slow");
        // 50 s at the old rate
        await channel.BasicPublishAsync("", "q", new byte[1_000_000], Cancelled).AsTask()
            .WaitAsync(Stage.Limit, Cancelled);
    }
}
