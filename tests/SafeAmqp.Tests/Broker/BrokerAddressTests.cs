using SafeAmqp.Broker;

namespace SafeAmqp.Tests.Broker;

public sealed class BrokerAddressTests
{
    private const string Secret = "s3cretPw";

    [Theory]
    [InlineData("amqp://u:p@localhost", "localhost", 5672, false, "/")]
    [InlineData("amqp://u:p@localhost/", "localhost", 5672, false, "/")]
    [InlineData("AMQP://u:p@LOCALHOST:1234", "localhost", 1234, false, "/")]
    [InlineData("amqps://u:p@broker.example", "broker.example", 5671, true, "/")]
    [InlineData("amqps://u:p@broker.example:5672", "broker.example", 5672, true, "/")]
    [InlineData("amqp://u:p@127.0.0.1/shop", "127.0.0.1", 5672, false, "shop")]
    [InlineData("amqp://u:p@127.9.9.9/%2F", "127.9.9.9", 5672, false, "/")]
    [InlineData("amqp://u:p@127.0.0.1/%2fshop%2ftest", "127.0.0.1", 5672, false, "/shop/test")]
    [InlineData("amqp://u:p@127.0.0.1/a%20b%25", "127.0.0.1", 5672, false, "a b%")]
    [InlineData("amqp://u:p@127.0.0.1/%C3%A4", "127.0.0.1", 5672, false, "ä")]
    [InlineData("amqp://u:p@[::1]", "[::1]", 5672, false, "/")]
    [InlineData("amqp://u:p@[::1]:1234/v", "[::1]", 1234, false, "v")]
    public void A_uri_names_host_port_and_virtual_host(string uri, string host, int port, bool tls, string virtualHost)
    {
        BrokerAddress address = BrokerAddress.From(new AmqpClientOptions { Uri = uri });
        Assert.Equal(
            (new BrokerHost(host, port), tls, virtualHost),
            (address.Hosts.Single(), address.UseTls, address.VirtualHost));
        Assert.Equal(("u", "p"), (address.UserName, address.Password));
        if (host[0] == '[')
            Assert.True(System.Net.IPAddress.TryParse(host, out _)); // resolving it needs no name service
    }

    [Theory]
    [InlineData("amqp://us%3Aer:p%40s%2Fs%3Aw%25@localhost", "us:er", "p@s/s:w%")]
    [InlineData("amqp://user:@localhost", "user", "")]
    [InlineData("amqp://user:a:b@localhost", "user", "a:b")]
    [InlineData("amqp://%C3%BCser:%E2%82%AC@localhost", "üser", "€")]
    public void Users_and_passwords_are_percent_decoded(string uri, string user, string password)
    {
        BrokerAddress address = BrokerAddress.From(new AmqpClientOptions { Uri = uri });
        Assert.Equal((user, password), (address.UserName, address.Password));
    }

    [Fact]
    public void The_uri_wins_over_the_options_and_the_options_fill_what_it_leaves_out()
    {
        var options = new AmqpClientOptions
        {
            Uri = "amqp://localhost",
            UserName = "u",
            Password = "p",
            VirtualHost = "v",
            Hosts = ["localhost:1", "127.0.0.1"]
        };
        BrokerAddress address = BrokerAddress.From(options);
        Assert.Equal(("u", "p", "v"), (address.UserName, address.Password, address.VirtualHost));
        Assert.Equal([new("localhost", 5672), new("localhost", 1), new("127.0.0.1", 5672)], address.Hosts);
        options.Uri = "amqp://a:b@localhost/w";
        address = BrokerAddress.From(options);
        Assert.Equal(("a", "b", "w"), (address.UserName, address.Password, address.VirtualHost));
    }

    [Fact]
    public void Further_hosts_of_a_tls_uri_use_the_tls_port()
        => Assert.Equal(
            ["a:5671", "b:5671"],
            BrokerAddress.From(new AmqpClientOptions { Uri = "amqps://u:p@a", Hosts = ["b"] }).Hosts
                .Select(host => host.ToString()));

    [Theory]
    [InlineData("amqp://u:s3cretPw@broker.example")]
    [InlineData("amqp://u:s3cretPw@10.0.0.1")]
    [InlineData("amqp://u:s3cretPw@[2001:db8::1]")]
    [InlineData("amqp://u:s3cretPw@localhost.example")]
    public void Beyond_loopback_an_unencrypted_connection_needs_to_be_allowed(string uri)
    {
        AssertRefused(new AmqpClientOptions { Uri = uri }, "Uri", "AllowPlaintext");
        Assert.False(BrokerAddress.From(new AmqpClientOptions { Uri = uri, AllowPlaintext = true }).UseTls);
    }

    [Fact]
    public void An_unencrypted_further_host_is_refused_by_the_name_of_its_option()
        => AssertRefused(
            new AmqpClientOptions { Uri = "amqp://u:s3cretPw@localhost", Hosts = ["broker.example"] },
            "Hosts",
            "broker.example");

    [Fact]
    public void Guest_is_refused_beyond_loopback_unless_credentials_come_from_elsewhere()
    {
        AssertRefused(new AmqpClientOptions { Uri = "amqps://guest:s3cretPw@broker.example" }, "UserName", "guest");
        AssertRefused(new AmqpClientOptions { Uri = "amqps://broker.example", UserName = "guest", Password = Secret },
            "UserName", "guest");
        Assert.Equal(
            "guest", BrokerAddress.From(new AmqpClientOptions { Uri = "amqp://guest:guest@localhost" }).UserName);
        var provider = new AmqpClientOptions
        {
            Uri = "amqps://guest@broker.example",
            Credentials = _ => new(new AmqpCredentials("a", Secret))
        };
        Assert.Single(BrokerAddress.From(provider).Hosts);
    }

    [Theory]
    [InlineData("s3cretPw", "cannot be read")]
    [InlineData("", "cannot be read")]
    [InlineData("amqp://", "cannot be read")]
    [InlineData("amqp:///v", "cannot be read")]
    [InlineData("amqp://u:s3cretPw@", "cannot be read")]
    [InlineData("amqp://u:s3cretPw@localhost:99999", "cannot be read")]
    [InlineData("amqp://u:s3cretPw@localhost:port", "cannot be read")]
    [InlineData("amqp://u:s3cretPw#x@localhost", "")]
    [InlineData("amqp://u:s3cretPw/x@localhost", "")]
    [InlineData("http://u:s3cretPw@localhost", "scheme 'http'")]
    [InlineData("guest:s3cretPw@localhost:5672", "")]
    [InlineData("amqp://u:s3cretPw@localhost/a/b", "%2F")]
    [InlineData("amqp://u:s3cretPw@localhost/v?heartbeat=5", "query")]
    [InlineData("amqp://u:s3cretPw@localhost/v#x", "fragment")]
    public void A_uri_that_is_not_one_is_named_without_its_password(string uri, string says)
        => AssertRefused(new AmqpClientOptions { Uri = uri }, "Uri", says);

    [Theory]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("u:s3cretPw@host")]
    [InlineData("host/path")]
    [InlineData("host:port")]
    [InlineData("amqp://host")]
    public void A_host_that_is_not_one_is_named_without_its_text(string host)
        => AssertRefused(
            new AmqpClientOptions { Hosts = [host], UserName = "u", Password = Secret, AllowPlaintext = true },
            "Hosts",
            "host:port");

    [Fact]
    public void Without_host_user_or_virtual_host_it_says_what_to_set()
    {
        AssertRefused(new AmqpClientOptions { UserName = "u" }, "Uri", "Hosts");
        AssertRefused(new AmqpClientOptions { Uri = "amqp://localhost" }, "UserName", "Credentials");
        AssertRefused(new AmqpClientOptions { Uri = "amqp://u:p@localhost", VirtualHost = "" }, "VirtualHost", "empty");
        AssertRefused(
            new AmqpClientOptions { Uri = "amqp://u:p@localhost", VirtualHost = new string('v', 256) },
            "VirtualHost",
            "255");
    }

    [Fact]
    public void Nothing_shows_the_password()
    {
        BrokerAddress address = BrokerAddress.From(new AmqpClientOptions { Uri = $"amqp://u:{Secret}@localhost" });
        Assert.Equal("localhost:5672", address.ToString());
        Assert.DoesNotContain(
            Secret,
            new AmqpClientOptions { Uri = $"amqp://u:{Secret}@localhost", Password = Secret }.ToString(),
            StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, new AmqpCredentials("u", Secret).ToString(), StringComparison.Ordinal);
    }

    private static void AssertRefused(AmqpClientOptions options, string option, string says)
    {
        var error = Assert.ThrowsAny<ArgumentException>(() => BrokerAddress.From(options));
        Assert.Equal(option, error.ParamName);
        Assert.Contains(says, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, error.ToString(), StringComparison.OrdinalIgnoreCase);
    }
}
