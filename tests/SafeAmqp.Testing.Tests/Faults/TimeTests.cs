using Microsoft.Extensions.Time.Testing;

namespace SafeAmqp.Testing.Tests.Faults;

/// <summary>What waits, waits by the clock it was given.</summary>
public sealed class TimeTests
{
    private readonly FakeTimeProvider _time = new();

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_consumer_that_keeps_a_message_too_long_loses_its_channel()
    {
        await using AmqpTestBroker broker = await StartAsync();
        using RawClient client = await RawClient.OpenAsync(broker.Uri);
        await client.CallAsync(1, 50, 10, [0, 0, .. RawClient.ShortText("q"), 0, 0, 0, 0, 0]);
        await client.SendAsync(RawClient.Publish(1, "", "q", [1]));
        await client.CallAsync(1, 60, 70, [0, 0, .. RawClient.ShortText("q"), 0]);
        Assert.Equal("frame 2 on 1", await client.NextAsync());
        Assert.Equal("frame 3 on 1", await client.NextAsync());
        _time.Advance(TimeSpan.FromMinutes(30));
        string closed = await client.NextAsync();
        Assert.StartsWith("close channel 406 PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed "
            + "out. Timeout value used: 1800000 ms.", closed, StringComparison.Ordinal);
        await broker.WaitUntilAsync(view => view.ReadyCount("q") == 1, cancellationToken: Cancelled);
    }

    [Fact]
    public async Task A_message_expires_when_the_clock_says_so()
    {
        await using AmqpTestBroker broker = await StartAsync();
        using RawClient client = await RawClient.OpenAsync(broker.Uri);
        await client.CallAsync(1, 50, 10, [0, 0, .. RawClient.ShortText("q"), 0, 0, 0, 0, 0]);
        await client.SendAsync((byte[])[
            .. RawClient.PublishMethod(1, "", "q"),
            .. RawClient.Header(1, 0, [0x01, 0x00, .. RawClient.ShortText("1000")])]);
        await broker.WaitUntilAsync(view => view.ReadyCount("q") == 1, cancellationToken: Cancelled);
        _time.Advance(TimeSpan.FromMilliseconds(999));
        Assert.Equal(1, await broker.LookAsync(view => view.ReadyCount("q")));
        _time.Advance(TimeSpan.FromMilliseconds(2));
        await broker.WaitUntilAsync(view => view.ReadyCount("q") == 0, cancellationToken: Cancelled);
    }

    [Fact]
    public async Task A_client_without_heartbeats_is_dropped()
    {
        await using AmqpTestBroker broker = await StartAsync();
        using RawClient client = await RawClient.OpenAsync(broker.Uri, heartbeat: 10);
        for (int i = 0; i < 6; i++)
        {
            _time.Advance(TimeSpan.FromSeconds(5));
            await broker.LookAsync(_ => true);
        }
        await broker.WaitUntilAsync(view => view.Connections.Count == 0, cancellationToken: Cancelled);
        Assert.Equal("end", await client.NextAsync());
    }

    [Fact]
    public async Task A_handshake_that_stops_half_way_is_ended()
    {
        await using AmqpTestBroker broker = await StartAsync();
        using RawClient client = await RawClient.ConnectAsync(broker.Uri);
        await client.SendAsync("AMQP\0\0\u0009\u0001"u8.ToArray());
        Assert.Equal("method 10.10 on 0", await client.NextAsync());
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal("end", await client.NextAsync());
    }

    [Fact]
    public async Task A_queue_does_not_expire_while_the_broker_is_down_and_has_its_whole_time_when_it_is_up_again()
    {
        await using AmqpTestBroker broker = await StartAsync();
        using RawClient client = await RawClient.OpenAsync(broker.Uri);
        byte[] expires = [.. RawClient.ShortText("x-expires"), (byte)'I', .. RawClient.FourOctets(1000)];
        foreach (string queue in (string[])["consumed", "unused"])
            await client.CallAsync(1, 50, 10, [0, 0, .. RawClient.ShortText(queue), 2, .. RawClient.FourOctets(
                expires.Length), .. expires]);
        await client.CallAsync(1, 60, 20, [0, 0, .. RawClient.ShortText("consumed"), 0, 0, 0, 0, 0, 0]);
        _time.Advance(TimeSpan.FromMilliseconds(600));
        await broker.KillAsync(Cancelled);
        _time.Advance(TimeSpan.FromMinutes(1));
        await broker.StartAgainAsync(Cancelled);
        _time.Advance(TimeSpan.FromMilliseconds(999));
        Assert.Equal(["consumed", "unused"], (await broker.LookAsync(view => view.Queues())).Order());
        _time.Advance(TimeSpan.FromMilliseconds(2));
        await broker.WaitUntilAsync(view => view.Queues().Count == 0, cancellationToken: Cancelled);
    }

    private Task<AmqpTestBroker> StartAsync()
        => AmqpTestBroker.StartAsync(new AmqpTestBrokerOptions { TimeProvider = _time }, Cancelled);
}
