namespace SafeAmqp.FaultTests.Broker;

// What the wall clock says must not matter: it is set, steps over a summer, or stood still while the machine slept.
public sealed class ClockTests : FaultCase
{
    /// <summary>
    /// The system's clock, but for the date, which jumps, and the time since the start, which has been running for
    /// long.
    /// </summary>
    private sealed class OddClock(TimeSpan uptime) : TimeProvider
    {
        private long _offset;

        internal void Jump(TimeSpan by) => Interlocked.Add(ref _offset, by.Ticks);

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow().AddTicks(Interlocked.Read(ref _offset));

        public override long GetTimestamp() => base.GetTimestamp() + (long)(uptime.TotalSeconds * TimestampFrequency);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(49.71)] // where 32 bits of milliseconds end
    [InlineData(24.86)] // and where they turn negative
    [InlineData(40_000)]
    public async Task After_any_uptime_and_while_the_date_jumps_work_goes_on_and_deadlines_hold(double days)
    {
        var clock = new OddClock(TimeSpan.FromDays(days));
        AmqpTestBroker broker = await BrokerAsync();
        var relay = Own(new Relay(broker.Port));
        AmqpClient client = NewClient(relay.Uri, options =>
        {
            options.TimeProvider = clock;
            options.Heartbeat = TimeSpan.FromSeconds(2);
            options.PublishTimeout = TimeSpan.FromSeconds(20);
        });
        await client.DeclareAsync(new AmqpTopology().Queue("q"), Cancelled);
        int handled = 0;
        await client.ConsumeAsync("q", (_, _) =>
        {
            Interlocked.Increment(ref handled);
            return ValueTask.FromResult(AmqpSettlement.Ack);
        }, cancellationToken: Cancelled);
        TimeSpan[] jumps = [TimeSpan.FromDays(3650), TimeSpan.FromDays(-7300), TimeSpan.FromHours(1),
            TimeSpan.FromSeconds(-90), TimeSpan.FromDays(3650)];
        foreach (TimeSpan jump in jumps)
        {
            clock.Jump(jump);
            Assert.Null(await EndOf(client.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled)));
        }
        await UntilAsync(() => Volatile.Read(ref handled) == jumps.Length);
        // no jump was taken for silence
        Assert.All(client.Status.Links, link => Assert.Equal((1, AmqpLinkState.Open), (link.Epoch, link.State)));
        Assert.All(client.Status.Links, link => Assert.InRange(link.InState, TimeSpan.Zero, TimeSpan.FromMinutes(2)));

        // A deadline under way does not move, nor does the watchdog's: the broker is frozen, the date jumps, both end
        // in their time.
        long start = TimeProvider.System.GetTimestamp();
        await broker.InjectAsync(FaultAction.Freeze());
        ValueTask call = new(client.CallAsync(AmqpMessage.ToQueue(
            "q", []), new AmqpCallOptions { Timeout = TimeSpan.FromSeconds(1) }, Cancelled).AsTask());
        clock.Jump(TimeSpan.FromDays(-400));
        Assert.IsAssignableFrom<AmqpException>(await EndOf(call));
        Assert.InRange(TimeProvider.System.GetElapsedTime(start), TimeSpan.FromSeconds(0.9), TimeSpan.FromSeconds(8));
        clock.Jump(TimeSpan.FromDays(800));
        await UntilAsync(() => client.Status.Links.All(link => link is { Epoch: >= 2, State: AmqpLinkState.Open }));
        Assert.InRange(TimeProvider.System.GetElapsedTime(start), TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(20));
        Assert.Null(await EndOf(client.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled)));
    }
}
