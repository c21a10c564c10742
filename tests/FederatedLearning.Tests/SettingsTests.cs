using FederatedLearning.Amqp;
using FederatedLearning.Client;
using FederatedLearning.Messages;
using FederatedLearning.Server;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging.Abstractions;

namespace FederatedLearning.Tests;

public sealed class SettingsTests
{
    [Fact]
    public void Every_setting_of_AMQP_is_read_by_its_name_and_has_its_default_otherwise()
    {
        var read = AmqpSettings.From(Settings(
            ("AMQP_HOST", "broker"), ("AMQP_PORT", "5673"), ("AMQP_USER", "me"), ("AMQP_PASSWORD", "hidden"),
            ("AMQP_VHOST", "there"),
            ("AMQP_HEARTBEAT_SECONDS", "30"), ("AMQP_BLOCKED_TIMEOUT_SECONDS", "1.5"), ("AMQP_NAME_PREFIX", "demo."),
            ("AMQP_QUEUE_EXPIRES_SECONDS", "60")));
        Assert.Equal(new AmqpSettings
        {
            Host = "broker",
            Port = 5673,
            User = "me",
            Password = "hidden",
            VirtualHost = "there",
            Heartbeat = TimeSpan.FromSeconds(30),
            BlockedTimeout = TimeSpan.FromSeconds(1.5),
            NamePrefix = "demo.",
            QueueExpiry = TimeSpan.FromMinutes(1),
        }, read);
        Assert.DoesNotContain("hidden", read.ToString(), StringComparison.Ordinal);
        Assert.Equal(new AmqpSettings(), AmqpSettings.From(Settings()));
    }

    [Fact]
    public void By_default_heartbeat_and_patience_suit_very_poor_networks_and_messages_may_have_128_MiB()
    {
        var options = new AmqpSettings().ClientOptions("name", NullLoggerFactory.Instance);
        Assert.Equal(
            (TimeSpan.FromSeconds(600), TimeSpan.FromSeconds(600), 128L << 20),
            (options.Heartbeat, options.PublishTimeout, options.MaxMessageSize));
    }

    [Theory]
    [InlineData("AMQP_PORT", "0")]
    [InlineData("AMQP_PORT", "65536")]
    [InlineData("AMQP_HEARTBEAT_SECONDS", "often")]
    [InlineData("AMQP_BLOCKED_TIMEOUT_SECONDS", "-1")]
    [InlineData("AMQP_QUEUE_EXPIRES_SECONDS", "0")]
    public void A_value_that_is_not_valid_is_refused_by_the_name_of_its_setting(string name, string value)
        => Assert.StartsWith(
            name,
            Assert.Throws<InvalidOperationException>(() => AmqpSettings.From(Settings((name, value)))).Message,
            StringComparison.Ordinal);

    [Fact]
    public void A_client_is_told_its_id_how_it_takes_part_and_which_data_are_its_own()
    {
        Assert.Equal(new ClientSettings { Id = ClientId.Parse("1"), Share = 0 }, ClientSettings.From(Settings()));
        Assert.Equal(
            new ClientSettings { Id = ClientId.Parse("7"), Share = 6, Protocols = "mqtt,amqp", RoundsPerProtocol = 2 },
            ClientSettings.From(
                Settings(("CLIENT_ID", "7"), ("PROTOCOL_SELECTION", "mqtt,amqp"), ("PROTOCOL_ROUNDS", "2"))));
        Assert.Equal(
            new ClientSettings { Id = ClientId.Parse("lab-a"), Share = 3 },
            ClientSettings.From(Settings(("CLIENT_ID", "lab-a"), ("DATA_SHARE", "3"))));
        Assert.Equal(ClientWay.Broadcast, AmqpSettings.WayOf(Settings()));
        Assert.Equal(ClientWay.Unified, AmqpSettings.WayOf(Settings(("CLIENT_WAY", "Unified"))));
        foreach (var (name, value) in new[]
        {
            ("CLIENT_ID", "../../etc"),
            ("DATA_SHARE", "-1"),
            ("PROTOCOL_ROUNDS", "x"),
            ("SILENCE_SECONDS", "0")
        })
        {
            Assert.StartsWith(
                name, Assert.Throws<InvalidOperationException>(() =>
                    ClientSettings.From(Settings((name, value)))).Message, StringComparison.Ordinal);
        }
        Assert.StartsWith(
            "CLIENT_WAY", Assert.Throws<InvalidOperationException>(() =>
                AmqpSettings.WayOf(Settings(("CLIENT_WAY", "pigeon")))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_server_is_told_where_the_results_go_and_whether_it_ends_with_the_training()
    {
        Assert.Equal(new ServerSettings("results", false), ServerSettings.From(Configuration()));
        Assert.Equal(
            new ServerSettings("elsewhere", true),
            ServerSettings.From(Configuration(("RESULTS_FOLDER", "elsewhere"), ("EXIT_WHEN_COMPLETE", "true"))));
    }

    private static Func<string, string?> Settings(params (string Name, string Value)[] settings)
        => name => Configuration(settings)[name];

    private static IConfiguration Configuration(params (string Name, string Value)[] settings)
        => new ConfigurationBuilder()
            .AddInMemoryCollection(settings.Select(one => KeyValuePair.Create(one.Name, (string?)one.Value))).Build();
}
