namespace SafeAmqp.FaultTests.Broker;

public sealed class SecretRenewalTests : FaultCase
{
    private static Task<int> RenewalsAsync(AmqpTestBroker broker)
        => broker.LookAsync(view => view.Events.Count(e => e.Name == "connection.update-secret"));

    [Fact]
    public async Task A_secret_that_expires_is_renewed_on_the_connection_that_it_made()
    {
        AmqpTestBroker broker = await BrokerAsync();
        int asked = 0;
        var log = new Lines();
        AmqpClient client = NewClient($"amqp://127.0.0.1:{broker.Port}/%2F", options =>
        {
            options.LoggerFactory = log;
            options.Credentials = _ =>
            {
                Interlocked.Increment(ref asked);
                return ValueTask.FromResult(
                    new AmqpCredentials("guest", "guest") { ValidFor = TimeSpan.FromSeconds(1) });
            };
        });
        await client.OpenAsync(Cancelled);
        await broker.WaitUntilAsync(
            view => view.Events.Count(e => e.Name == "connection.update-secret") >= 4, cancellationToken: Cancelled);
        Assert.True(Volatile.Read(ref asked) >= 6); // two for the connections, and each renewal
        Assert.All(client.Status.Links, link => Assert.Equal((1, AmqpLinkState.Open), (link.Epoch, link.State)));
        await UntilAsync(() => log.Has("the send link gave the broker a new secret")
            && log.Has("the receive link gave the broker a new secret"));
        Assert.DoesNotContain(log.All, line => line.Contains("guest", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Without_an_expiry_nothing_is_renewed()
    {
        AmqpTestBroker broker = await BrokerAsync();
        AmqpClient client = NewClient(broker.Uri.ToString());
        await client.DeclareAsync(new AmqpTopology().Queue("q"), Cancelled);
        Assert.Equal(0, await RenewalsAsync(broker));
    }

    [Theory]
    [InlineData("the provider throws", "the provider failed (InvalidOperationException)")]
    [InlineData("the user changes", "names another user")]
    public async Task A_renewal_that_fails_is_said_and_tried_again_and_the_link_stays(string how, string words)
    {
        AmqpTestBroker broker = await BrokerAsync();
        int asked = 0;
        var log = new Lines();
        AmqpClient client = NewClient($"amqp://127.0.0.1:{broker.Port}/%2F", options =>
        {
            options.LoggerFactory = log;
            options.Layout = AmqpConnectionLayout.Shared;
            options.Credentials = _ => Interlocked.Increment(ref asked) is 2 or 3
                ? how == "the user changes"
                    ? ValueTask.FromResult(new AmqpCredentials("other", "s3cret-canary"))
                    : throw new InvalidOperationException("s3cret-canary")
                : ValueTask.FromResult(new AmqpCredentials("guest", "guest") { ValidFor = TimeSpan.FromSeconds(1) });
        });
        await client.OpenAsync(Cancelled);
        await broker.WaitUntilAsync(
            view => view.Events.Any(e => e.Name == "connection.update-secret"), cancellationToken: Cancelled);
        Assert.Contains(log.All, line => line.Contains(words, StringComparison.Ordinal));
        Assert.DoesNotContain(log.All, line => line.Contains("s3cret-canary", StringComparison.Ordinal));
        Assert.Equal(1, client.Status.Links[0].Epoch);
    }

    [Fact]
    public async Task A_renewal_stops_with_its_connection()
    {
        AmqpTestBroker broker = await BrokerAsync();
        int asked = 0;
        AmqpClient client = NewClient($"amqp://127.0.0.1:{broker.Port}/%2F", options => options.Credentials = _ =>
        {
            Interlocked.Increment(ref asked);
            return ValueTask.FromResult(new AmqpCredentials("guest", "guest") { ValidFor = TimeSpan.FromSeconds(1) });
        });
        await client.OpenAsync(Cancelled);
        await client.DisposeAsync();
        int then = Volatile.Read(ref asked);
        await Task.Delay(TimeSpan.FromSeconds(2.5), Cancelled); // two renewals would have been due
        Assert.Equal(then, Volatile.Read(ref asked));
    }
}
