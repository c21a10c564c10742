namespace SafeAmqp.IntegrationTests.Security;

public sealed class AddressTests
{
    [Theory]
    [InlineData("amqp://user:canary@broker.example/", 1)]
    [InlineData("amqp://user:canary@192.0.2.1/", 1)]
    [InlineData("amqp://user:canary@[2001:db8::1]/", 1)]
    [InlineData("amqp://user:canary@localhost/", 0)]
    [InlineData("amqp://user:canary@[::1]/", 0)]
    [InlineData("amqps://user:canary@broker.example/", 0)]
    public async Task Credentials_in_the_clear_beyond_loopback_are_told_once_a_client(string uri, int warnings)
    {
        var lines = new CapturedLines();
        await using var client = new AmqpClient(new AmqpClientOptions { Uri = uri, LoggerFactory = lines });
        Assert.Equal(warnings, lines.Lines.Count(line => line.StartsWith("Warning 114", StringComparison.Ordinal)));
        Assert.DoesNotContain(lines.Lines, line => line.Contains("canary", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("amqp://user:password@broker.example/")]
    [InlineData("amqp://user:password@localhost/")]
    public void RequireTls_refuses_a_plain_connection_before_anything_is_sent(string uri)
    {
        var error = Assert.Throws<ArgumentException>(
            () => new AmqpClient(new AmqpClientOptions { Uri = uri, RequireTls = true }));
        Assert.Contains("amqps://", error.Message, StringComparison.Ordinal);
        Assert.Contains("RequireTls", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("amqps://guest:guest@broker.example/")]
    [InlineData("amqp://guest:guest@192.0.2.1/")]
    [InlineData("amqp://localhost")]
    [InlineData("amqp://broker.example")]
    public async Task About_guest_the_broker_decides(string uri)
    {
        await using var client = new AmqpClient(new AmqpClientOptions { Uri = uri });
        Assert.Equal(AmqpLinkState.Idle, client.Status.Links[0].State);
    }
}
