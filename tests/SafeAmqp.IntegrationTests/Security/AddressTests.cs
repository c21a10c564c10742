namespace SafeAmqp.IntegrationTests.Security;

public sealed class AddressTests
{
    [Theory]
    [InlineData("amqp://user:password@broker.example/")]
    [InlineData("amqp://user:password@192.0.2.1/")]
    [InlineData("amqp://user:password@localhost.example/")]
    [InlineData("amqp://user:password@127.0.0.1.example/")]
    [InlineData("amqp://user:password@[2001:db8::1]/")]
    [InlineData("amqp://user:password@0.0.0.0/")]
    public async Task Without_TLS_only_loopback_is_connected_to_unless_that_is_allowed_in_writing(string uri)
    {
        var error = Assert.Throws<ArgumentException>(() => new AmqpClient(new AmqpClientOptions { Uri = uri }));
        Assert.Contains("amqps", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("password", error.Message.Replace("user:password", "", StringComparison.Ordinal)
            .Replace("Password", "", StringComparison.Ordinal), StringComparison.Ordinal);
        await using var allowed = new AmqpClient(new AmqpClientOptions { Uri = uri, AllowPlaintext = true });
        await using var encrypted = new AmqpClient(
            new AmqpClientOptions { Uri = uri.Replace("amqp:", "amqps:", StringComparison.Ordinal) });
    }

    [Theory]
    [InlineData("amqp://user:password@localhost/")]
    [InlineData("amqp://user:password@LOCALHOST/")]
    [InlineData("amqp://user:password@127.0.0.1/")]
    [InlineData("amqp://user:password@127.255.255.254/")]
    [InlineData("amqp://user:password@[::1]/")]
    public async Task Loopback_needs_no_TLS(string uri)
    {
        await using var client = new AmqpClient(new AmqpClientOptions { Uri = uri });
        Assert.Equal(AmqpLinkState.Idle, client.Status.Links[0].State);
    }

    [Fact]
    public void Every_further_host_is_checked_as_well()
    {
        var error = Assert.Throws<ArgumentException>(() => new AmqpClient(new AmqpClientOptions
        {
            Uri = "amqp://user:password@localhost/",
            Hosts = ["localhost:5673", "node2.example"]
        }));
        Assert.Contains("node2.example", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("amqps://guest:guest@broker.example/", true)]
    [InlineData("amqps://guest:guest@broker.example/", false)]
    [InlineData("amqp://guest:guest@192.0.2.1/", true)]
    public void The_user_guest_is_for_loopback_only(string uri, bool allowPlaintext)
    {
        var error = Assert.Throws<ArgumentException>(
            () => new AmqpClient(new AmqpClientOptions { Uri = uri, AllowPlaintext = allowPlaintext }));
        Assert.Contains("guest", error.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new AmqpClient(
            new AmqpClientOptions { Uri = "amqps://broker.example/", UserName = "guest", Password = "guest" }));
    }

    [Fact]
    public void There_is_no_default_user()
    {
        var error = Assert.Throws<ArgumentException>(
            () => new AmqpClient(new AmqpClientOptions { Uri = "amqp://localhost/" }));
        Assert.Contains("UserName", error.Message, StringComparison.Ordinal);
    }
}
