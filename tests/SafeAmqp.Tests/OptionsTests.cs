using System.Security.Cryptography.X509Certificates;
using SafeAmqp.Tests.Transport;

namespace SafeAmqp.Tests;

public sealed class OptionsTests
{
    public static TheoryData<string, Action<AmqpClientOptions>, Action<AmqpClientOptions>> Bounds => new()
    {
        Times("Heartbeat", (o, t) => o.Heartbeat = t, TimeSpan.FromSeconds(2), TimeSpan.FromHours(1)),
        Times(
            "ConnectTimeout", (o, t) => o.ConnectTimeout = t, TimeSpan.FromMilliseconds(100), TimeSpan.FromMinutes(10)),
        Times("ReconnectDelay", (o, t) => (o.ReconnectDelay, o.MaxReconnectDelay) = (t, TimeSpan.FromHours(1)),
            TimeSpan.FromMilliseconds(1), TimeSpan.FromMinutes(1)),
        Times("MaxReconnectDelay", (o, t) => (o.ReconnectDelay, o.MaxReconnectDelay) = (TimeSpan.FromSeconds(1), t),
            TimeSpan.FromSeconds(1), TimeSpan.FromHours(1)),
        Times("RefusedReconnectDelay", (o, t) => o.RefusedReconnectDelay = t, TimeSpan.FromSeconds(1),
            TimeSpan.FromHours(1)),
        Times("PublishTimeout", (o, t) => o.PublishTimeout = t, TimeSpan.FromMilliseconds(10), TimeSpan.FromDays(1)),
        Times("OperationTimeout", (o, t) => o.OperationTimeout = t, TimeSpan.FromMilliseconds(100),
            TimeSpan.FromHours(1)),
        Times("ShutdownTimeout", (o, t) => o.ShutdownTimeout = t, TimeSpan.Zero, TimeSpan.FromMinutes(5)),
        Numbers("MaxPendingMessages", (o, n) => o.MaxPendingMessages = (int)n, 1, 10_000_000),
        Numbers("MaxPendingBytes", (o, n) => o.MaxPendingBytes = n, 1 << 10, 16L << 30),
        Numbers("MaxUnconfirmedMessages", (o, n) => o.MaxUnconfirmedMessages = (int)n, 1, 65_536),
        Numbers("MaxUnconfirmedBytes", (o, n) => o.MaxUnconfirmedBytes = n, 1 << 10, 16L << 30),
        Numbers("MaxPendingCalls", (o, n) => o.MaxPendingCalls = (int)n, 1, 1_000_000),
        Numbers("MaxMessageSize", (o, n) => o.MaxMessageSize = n, 1 << 10, 512L << 20),
    };

    [Fact]
    public async Task Options_that_change_after_a_client_was_made_have_no_effect()
    {
        AmqpClientOptions options = Good;
        (options.MaxMessageSize, options.Hosts, options.Tls.PinnedKeys) = (1 << 10, ["one"], []);
        await using var client = new AmqpClient(options);
        (options.MaxMessageSize, options.Uri, options.Tls.ServerName) = (1 << 20, "http://nonsense", "other");
        options.Hosts.Add("two");

        await Assert.ThrowsAsync<ArgumentException>(async () => await client.PublishAsync(
            AmqpMessage.ToQueue("q", new byte[2000]), TestContext.Current.CancellationToken));

        AmqpClientOptions copy = options.Copy();
        Assert.Equivalent(options, copy); // whatever is added to them
        Assert.NotSame(options.Tls, copy.Tls);
        Assert.NotSame(options.Telemetry, copy.Telemetry);
        Assert.NotSame(options.Hosts, copy.Hosts);
        Assert.NotSame(options.Tls.PinnedKeys, copy.Tls.PinnedKeys);
    }

    private static AmqpClientOptions Good => new() { Uri = "amqp://guest:guest@localhost" };

    [Fact]
    public void The_defaults_are_valid() => Good.Validate();

    // What a service gets that sets nothing: every queue, window and table is bounded, in messages and in bytes.
    [Fact]
    public void Every_limit_has_its_default()
    {
        AmqpClientOptions options = Good;
        Assert.Equal((10_000, 64L << 20), (options.MaxPendingMessages, options.MaxPendingBytes));
        Assert.Equal((4_096, 32L << 20), (options.MaxUnconfirmedMessages, options.MaxUnconfirmedBytes));
        Assert.Equal((10_000, 16L << 20), (options.MaxPendingCalls, options.MaxMessageSize));
        Assert.Equal(100, new AmqpConsumerOptions().Prefetch);
        Assert.Equal(TimeSpan.FromSeconds(30), options.RefusedReconnectDelay);
        Assert.True(options.Heartbeat >= TimeSpan.FromSeconds(30));
        Assert.False(options.RequireTls);
        Assert.Equal((null, null), (options.UserName, options.Password));
    }

    [Theory]
    [MemberData(nameof(Bounds), DisableDiscoveryEnumeration = true)]
    public void Each_bound_holds_to_the_last_unit(
        string name, Action<AmqpClientOptions> below, Action<AmqpClientOptions> above)
    {
        foreach (Action<AmqpClientOptions> change in (Action<AmqpClientOptions>[])[below, above])
        {
            AmqpClientOptions options = Good;
            change(options);
            var error = Assert.Throws<ArgumentOutOfRangeException>(options.Validate);
            Assert.Equal(name, error.ParamName);
            Assert.Contains($"{name} must be from ", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_stream_is_read_from_no_time_before_1970_which_the_broker_would_take_for_a_far_future()
    {
        var error = Assert.Throws<ArgumentException>(
            () => AmqpStreamOffset.At(DateTimeOffset.UnixEpoch.AddTicks(-1)));
        Assert.Equal("time", error.ParamName);
        Assert.Contains("use AmqpStreamOffset.First for the oldest message", error.Message, StringComparison.Ordinal);
        Assert.StartsWith("1970-01-01", AmqpStreamOffset.At(DateTimeOffset.UnixEpoch).ToString(),
            StringComparison.Ordinal);
    }

    private static X509Certificate2Collection WithoutKeys
    {
        get
        {
            using var certificates = new TestCertificates();
            return certificates.Roots;
        }
    }

    public static TheoryData<string, Action<AmqpClientOptions>> Bad => new()
    {
        { "Hosts", options => options.Hosts = null! },
        { "Tls", options => options.Tls = null! },
        { "LoggerFactory", options => options.LoggerFactory = null! },
        { "TimeProvider", options => options.TimeProvider = null! },
        { "VirtualHost", options => options.VirtualHost = null! },
        { "Layout", options => options.Layout = (AmqpConnectionLayout)7 },
        { "FirstConnect", options => options.FirstConnect = (AmqpFirstConnect)7 },
        { "FullMode", options => options.FullMode = (AmqpFullMode)7 },
        { "InFlight", options => options.InFlight = (AmqpInFlightPolicy)7 },
        { "ClientName", options => options.ClientName = new string('ä', 101) },
        { "Uri", options => options.Uri = null },
        { "ServerName", options => options.Tls.ServerName = "" },
        { "TrustedRoots", options => options.Tls.TrustedRoots = [] },
        { "TrustedRootsFile", options => options.Tls.TrustedRootsFile = "" },
        { "ClientCertificates", options => options.Tls.ClientCertificates = WithoutKeys },
        { "ClientCertificateFile", options => options.Tls.ClientCertificateFile = "" },
        { "ClientKeyFile", options => (options.Tls.ClientCertificateFile, options.Tls.ClientKeyFile) = ("c", "") },
        { "ClientKeyFile", options => options.Tls.ClientKeyFile = "key.pem" },
        { "PinnedKeys", options => options.Tls.PinnedKeys = null! },
        { "PinnedKeys", options => options.Tls.PinnedKeys = ["c2hvcnQ="] },
        { "PinnedKeys", options => options.Tls.PinnedKeys = [new string('!', 44)] },
        { "PinnedKeys", options => options.Tls.PinnedKeys = [Convert.ToBase64String(new byte[33])] },
        { "MaxReconnectDelay", options =>
            (options.ReconnectDelay, options.MaxReconnectDelay) = (TimeSpan.FromSeconds(10), TimeSpan.FromSeconds(9)) },
    };

    [Theory]
    [MemberData(nameof(Bad), DisableDiscoveryEnumeration = true)]
    public void An_option_that_is_not_valid_is_named(string name, Action<AmqpClientOptions> change)
    {
        AmqpClientOptions options = Good;
        change(options);
        var error = Assert.ThrowsAny<ArgumentException>(options.Validate);
        Assert.Equal(name, error.ParamName);
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 1, "Prefetch")]
    [InlineData(65_536, 1, "Prefetch")]
    [InlineData(1, 0, "Concurrency")]
    [InlineData(1, 1025, "Concurrency")]
    public void Consumer_options_are_bounded(int prefetch, int concurrency, string name)
    {
        Assert.Equal(name, Assert.Throws<ArgumentOutOfRangeException>(() =>
            new AmqpConsumerOptions { Prefetch = prefetch, Concurrency = concurrency }.Validated()).ParamName);
        new AmqpConsumerOptions { Prefetch = 65_535, Concurrency = 1024, StopTimeout = TimeSpan.FromMinutes(10) }
            .Validated();
        Assert.Throws<ArgumentOutOfRangeException>(
            () => new AmqpConsumerOptions { StopTimeout = TimeSpan.FromTicks(-1) }.Validated());
        Assert.Throws<ArgumentOutOfRangeException>(() =>
            new AmqpConsumerOptions { StopTimeout = TimeSpan.FromMinutes(10) + TimeSpan.FromTicks(1) }.Validated());
    }

    [Fact]
    public void Call_options_are_bounded()
    {
        new AmqpCallOptions { Timeout = TimeSpan.FromDays(7) }.Validated();
        new AmqpCallOptions { Timeout = TimeSpan.FromMilliseconds(10) }.Validated();
        Assert.Throws<ArgumentOutOfRangeException>(
            () => new AmqpCallOptions { Timeout = TimeSpan.FromDays(7) + TimeSpan.FromTicks(1) }.Validated());
        Assert.Throws<ArgumentOutOfRangeException>(
            () => new AmqpCallOptions { Timeout = TimeSpan.FromMilliseconds(9) }.Validated());
        Assert.Throws<ArgumentNullException>(() => new AmqpCallOptions { ReplyTo = null! }.Validated());
    }

    // Each end is valid itself, one unit beyond it is not.
    private static (string, Action<AmqpClientOptions>, Action<AmqpClientOptions>) Times(
        string name, Action<AmqpClientOptions, TimeSpan> set, TimeSpan min, TimeSpan max)
        => Between(name, set, min, max, TimeSpan.FromTicks(1), (a, b) => a + b, (a, b) => a - b);

    private static (string, Action<AmqpClientOptions>, Action<AmqpClientOptions>) Numbers(
        string name, Action<AmqpClientOptions, long> set, long min, long max)
        => Between(name, set, min, max, 1L, (a, b) => a + b, (a, b) => a - b);

    private static (string, Action<AmqpClientOptions>, Action<AmqpClientOptions>) Between<T>(
        string name, Action<AmqpClientOptions, T> set, T min, T max, T unit,
        Func<T, T, T> add, Func<T, T, T> subtract)
    {
        foreach (T valid in (T[])[min, max])
        {
            AmqpClientOptions options = Good;
            set(options, valid);
            options.Validate();
        }
        return (name, options => set(options, subtract(min, unit)), options => set(options, add(max, unit)));
    }
}
