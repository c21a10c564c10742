namespace SafeAmqp.Testing.Tests.Faults;

/// <summary>The whole broker stands still, crashes, comes back.</summary>
public sealed class PauseTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_paused_broker_answers_nothing_can_be_looked_at_and_goes_on_in_order()
    {
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(cancellationToken: Cancelled);
        using RawClient client = await RawClient.OpenAsync(broker.Uri);
        await client.CallAsync(1, 50, 10, [0, 0, .. RawClient.ShortText("q"), 0, 0, 0, 0, 0]);
        await broker.PauseAsync();
        for (byte i = 0; i < 5; i++)
            await client.SendAsync(RawClient.Publish(1, "", "q", [i]));
        Task<string> answer = client.CallAsync(1, 50, 30, [0, 0, .. RawClient.ShortText("missing"), 0]);
        using RawClient second = await RawClient.ConnectAsync(broker.Uri); // the system accepts
        await second.SendAsync("AMQP\0\0\u0009\u0001"u8.ToArray());
        Task<string> start = second.NextAsync();
        for (int i = 0; i < 20; i++)
            Assert.Equal(0, await broker.LookAsync(view => view.ReadyCount("q")));
        Assert.False(answer.IsCompleted);
        Assert.False(start.IsCompleted);
        await broker.ResumeAsync();
        Assert.StartsWith("close channel 404", await answer, StringComparison.Ordinal);
        Assert.Equal("method 10.10 on 0", await start);
        Assert.Equal("0 1 2 3 4", await broker.LookAsync(
            view => string.Join(' ', view.Messages("q").Select(message => message.Body.Span[0]))));
    }

    [Fact]
    public async Task What_a_paused_broker_had_not_read_when_it_was_killed_is_lost()
    {
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(cancellationToken: Cancelled);
        using RawClient client = await RawClient.OpenAsync(broker.Uri);
        await client.CallAsync(1, 50, 10, [0, 0, .. RawClient.ShortText("q"), 2, 0, 0, 0, 0]);
        await broker.PauseAsync();
        byte[] persistent = [
            .. RawClient.PublishMethod(1, "", "q"),
            .. RawClient.Header(1, 1, [0x10, 0x00, 2]),
            .. RawClient.Frame(3, 1, [1])];
        await client.SendAsync(persistent);
        await broker.KillAsync(Cancelled);
        Assert.Equal("end", await client.NextAsync());
        await broker.StartAgainAsync(Cancelled);
        Assert.True(await broker.LookAsync(view => view.HasQueue("q") && view.ReadyCount("q") == 0));
        using RawClient again = await RawClient.OpenAsync(broker.Uri); // it answers again
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_one_client_loses_with_the_broker_is_not_given_to_the_next(bool kill)
    {
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(cancellationToken: Cancelled);
        using RawClient first = await RawClient.OpenAsync(broker.Uri), second = await RawClient.OpenAsync(broker.Uri);
        await first.CallAsync(1, 50, 10, [0, 0, .. RawClient.ShortText("q"), 2, 0, 0, 0, 0]);
        await first.CallAsync(1, 60, 20, [0, 0, .. RawClient.ShortText("q"), 0, 0, 0, 0, 0, 0]);
        await first.SendAsync(RawClient.Publish(1, "", "q", [1], [0x10, 0x00, 2]));
        await broker.WaitUntilAsync(view => view.UnacknowledgedCount("q") == 1, cancellationToken: Cancelled);
        // Without acknowledgements: what it is sent is gone.
        await second.CallAsync(1, 60, 20, [0, 0, .. RawClient.ShortText("q"), 0, 2, 0, 0, 0, 0]);
        await (kill ? broker.KillAsync(Cancelled) : broker.StopAsync(Cancelled));
        await broker.StartAgainAsync(Cancelled);
        Assert.Equal(1, await broker.LookAsync(view => view.ReadyCount("q")));
    }

    [Fact]
    public async Task A_stopped_broker_refuses_connections_and_nothing_else_can_take_its_port()
    {
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(cancellationToken: Cancelled);
        await broker.StopAsync(Cancelled);
        for (int i = 0; i < 500; i++)
        {
            var error = await Assert.ThrowsAsync<System.Net.Sockets.SocketException>(
                () => RawClient.ConnectAsync(broker.Uri));
            Assert.Equal(System.Net.Sockets.SocketError.ConnectionRefused, error.SocketErrorCode);
        }
        await broker.StartAgainAsync(Cancelled);
        using RawClient client = await RawClient.OpenAsync(broker.Uri);
    }
}
