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
        var address = BrokerAddress.From(new AmqpClientOptions { Uri = uri });
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
        var address = BrokerAddress.From(new AmqpClientOptions { Uri = uri });
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
        var address = BrokerAddress.From(options);
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
    [InlineData("amqp://u:p@broker.example", true)]
    [InlineData("amqp://u:p@10.0.0.1", true)]
    [InlineData("amqp://u:p@[2001:db8::1]", true)]
    [InlineData("amqp://u:p@localhost.example", true)]
    [InlineData("amqps://u:p@broker.example", false)]
    [InlineData("amqp://u:p@localhost", false)]
    [InlineData("amqp://u:p@127.1.2.3", false)]
    public void The_scheme_is_the_choice_and_what_goes_in_the_clear_beyond_loopback_is_known(
        string uri, bool isInTheClear)
        => Assert.Equal(isInTheClear, BrokerAddress.From(new AmqpClientOptions { Uri = uri }).IsInTheClear);

    [Fact]
    public void A_further_host_in_the_clear_counts_too()
        => Assert.True(BrokerAddress.From(new AmqpClientOptions
        {
            Uri = "amqp://localhost",
            Hosts = ["broker.example"]
        }).IsInTheClear);

    [Fact]
    public void RequireTls_forbids_the_plain_scheme()
    {
        AssertRefused(
            new AmqpClientOptions { Uri = "amqp://u:s3cretPw@localhost", RequireTls = true }, "Uri", "amqps://");
        AssertRefused(new AmqpClientOptions { Hosts = ["localhost"], RequireTls = true }, "Uri", "amqps://");
        Assert.True(BrokerAddress.From(new AmqpClientOptions { Uri = "amqps://localhost", RequireTls = true }).UseTls);
    }

    [Theory]
    [InlineData("amqp://localhost", "guest", "guest")]
    [InlineData("amqp://broker.example/v", "guest", "guest")]
    [InlineData("amqps://guest:other@broker.example", "guest", "other")]
    [InlineData("amqp://u@localhost", "u", null)]
    public void Without_a_user_it_is_guest_and_the_broker_decides_about_it(string uri, string user, string? password)
    {
        var address = BrokerAddress.From(new AmqpClientOptions { Uri = uri });
        Assert.Equal((user, password), (address.UserName, address.Password));
    }

    [Fact]
    public void Parameters_of_the_uri_are_read()
    {
        UriSettings settings = BrokerAddress.From(new AmqpClientOptions
        {
            Uri =
                "amqps://u:p@h/v?heartbeat=5&connection_timeout=1500&channel_max=7&frame_max=8192&auth_mechanism=PLAIN"
                + "&cacertfile=%2Fca.pem&certfile=c&keyfile=k&server_name_indication=n&verify=verify_peer",
        }).Settings;
        Assert.Equal(new UriSettings
        {
            Heartbeat = TimeSpan.FromSeconds(5),
            ConnectTimeout = TimeSpan.FromSeconds(1.5),
            ChannelMax = 7,
            FrameMax = 8192,
            RootsFile = "/ca.pem",
            CertificateFile = "c",
            KeyFile = "k",
            ServerName = "n",
            Mechanism = AmqpAuthMechanism.Plain,
        }, settings);
    }

    [Theory]
    [InlineData("amqp://h?hartbeat=5", "hartbeat")]
    [InlineData("amqp://h?heartbeat=5&heartbeat=6", "twice")]
    [InlineData("amqp://h?heartbeat=0", "from 2 to 3600 seconds")]
    [InlineData("amqp://h?heartbeat", "heartbeat")]
    [InlineData("amqp://h?heartbeat=-5", "heartbeat")]
    [InlineData("amqp://h?channel_max=70000", "channel_max")]
    [InlineData("amqp://h?cacertfile=x", "amqps://")]
    [InlineData("amqps://h?cacertfile=", "cacertfile must not be empty")]
    [InlineData("amqps://h?certfile", "certfile must not be empty")]
    [InlineData("amqps://h?server_name_indication=", "server_name_indication must not be empty")]
    [InlineData("amqps://h?keyfile=k", "needs certfile")]
    [InlineData("amqps://h?verify=verify_none", "always checked")]
    [InlineData("amqps://h?auth_mechanism=anonymous", "plain or external")]
    [InlineData("amqp://h?s3cretPw=1", "not known;")]
    public void A_parameter_that_is_none_is_named(string uri, string says)
        => AssertRefused(new AmqpClientOptions { Uri = uri }, "Uri", says);

    [Theory]
    [InlineData("amqp://h", null, "amqps://")]
    [InlineData("amqps://h", null, "ClientCertificateFile")]
    [InlineData("amqps://u@h?certfile=c", null, "no user and no password")]
    [InlineData("amqps://h?certfile=c", "s3cretPw", "no user and no password")]
    public void A_certificate_in_place_of_a_password_needs_TLS_a_certificate_and_nothing_else(
        string uri, string? password, string says)
        => AssertRefused(new AmqpClientOptions
        {
            Uri = uri,
            Password = password,
            AuthMechanism = AmqpAuthMechanism.External,
        }, "AuthMechanism", says);

    [Fact]
    public void The_uri_may_name_the_mechanism()
    {
        var address = BrokerAddress.From(new AmqpClientOptions
        {
            Uri = "amqps://h?auth_mechanism=external&certfile=c",
        });
        Assert.Equal((AmqpAuthMechanism.External, null), (address.Mechanism, address.UserName));
    }

    [Theory]
    [InlineData("amqp://u:s3cretPw#x@localhost")]
    [InlineData("amqp://u:s3cretPw/x@localhost/v")]
    [InlineData("amqp://u:s3cretPw?x@localhost")]
    [InlineData("amqp://u:s3cretPw@x@localhost")]
    [InlineData("amqp://u:1234#x@localhost")]
    [InlineData("amqp://u:p@s3cretPw/x@localhost")]
    [InlineData("amqp://u/s3cretPw:p@localhost")]
    [InlineData("amqp://u:s3cretPw%@localhost")]
    [InlineData("amqp://u:s3cretPw%zz@localhost")]
    [InlineData("amqp://u:s3cretPw@localhost/v#x")]
    [InlineData("amqp://u:s3cretPw@localhost/a/b")]
    [InlineData("amqp://u:s3cretPw@localhost:99999")]
    public void A_character_that_should_have_been_encoded_is_named_as_the_likely_slip(string uri)
        => AssertRefused(new AmqpClientOptions { Uri = uri }, "Uri", "percent-encoded");

    [Theory]
    [InlineData("s3cretPw", "must begin with amqp://")]
    [InlineData("", "must begin with amqp://")]
    [InlineData("amqp://", "it has no host")]
    [InlineData("amqp:///v", "it has no host")]
    [InlineData("amqp://u:s3cretPw@", "it has no host")]
    [InlineData("amqp://u:s3cretPw@localhost:99999", "a number from 1 to 65535")]
    [InlineData("amqp://u:s3cretPw@localhost:port", "a number from 1 to 65535")]
    [InlineData("amqp://u:s3cretPw@localhost:0", "a number from 1 to 65535")]
    [InlineData("amqp://u:s3cretPw@::1", "cannot be read")]
    [InlineData("amqp://u:s3cretPw@a b", "its host is none")]
    [InlineData("http://u:s3cretPw@localhost", "must begin with amqp://")]
    [InlineData("guest:s3cretPw@localhost:5672", "must begin with amqp://")]
    [InlineData("amqp://u:s3cretPw@localhost/a/b", "%2F")]
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
            new AmqpClientOptions { Hosts = [host], UserName = "u", Password = Secret }, "Hosts", "host:port");

    [Fact]
    public void Without_host_user_or_virtual_host_it_says_what_to_set()
    {
        AssertRefused(new AmqpClientOptions { UserName = "u" }, "Uri", "Hosts");
        AssertRefused(new AmqpClientOptions { Uri = "amqp://u:p@localhost", VirtualHost = "" }, "VirtualHost", "empty");
        AssertRefused(
            new AmqpClientOptions { Uri = "amqp://u:p@localhost", VirtualHost = new string('v', 256) },
            "VirtualHost",
            "255");
    }

    [Fact]
    public void Nothing_shows_the_password()
    {
        var address = BrokerAddress.From(new AmqpClientOptions { Uri = $"amqp://u:{Secret}@localhost" });
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
