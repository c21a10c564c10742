using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using SafeAmqp.Hosting;

namespace SafeAmqp.Tests.Hosting;

public sealed class KeyedClientTests
{
    private const int Patience = 20_000;

    [Fact]
    public void Each_key_reads_its_own_section_and_inherits_nothing()
    {
        var settings = new Dictionary<string, string?>
        {
            ["SafeAmqp:Uri"] = "amqp://u:p@localhost/default",
            ["SafeAmqp:ClientName"] = "default",
            ["SafeAmqp:billing:Heartbeat"] = "00:02:00",
            ["ConnectionStrings:billing"] = "amqp://u:p@localhost/billing",
        };
        static void Register(IServiceCollection services)
        {
            services.AddSafeAmqp();
            services.AddKeyedSafeAmqp("billing");
        }

        var billing = TestHost.Options(settings, (services, _) => Register(services), "billing");
        Assert.Equal("amqp://u:p@localhost/billing", billing.Uri);
        Assert.Equal(TimeSpan.FromMinutes(2), billing.Heartbeat);
        Assert.EndsWith(":billing", billing.ClientName, StringComparison.Ordinal);

        // The section of "billing" inside that of the client without a key is no unknown option.
        var unkeyed = TestHost.Options(settings, (services, _) => Register(services));
        Assert.Equal(("amqp://u:p@localhost/default", "default"), (unkeyed.Uri, unkeyed.ClientName));
    }

    [Fact]
    public void A_section_of_a_client_that_is_not_registered_is_an_unknown_option()
        => Assert.Throws<OptionsValidationException>(() => TestHost.Options(
            new() { ["SafeAmqp:Uri"] = "amqp://u:p@localhost/x", ["SafeAmqp:biling:Uri"] = "amqp://u:p@localhost/x" },
            (services, _) =>
            {
                services.AddSafeAmqp();
                services.AddKeyedSafeAmqp("billing");
            }));

    [Fact]
    public void A_key_may_go_on_where_another_ends()
    {
        var settings = new Dictionary<string, string?>
        {
            ["SafeAmqp:Uri"] = "amqp://u:p@localhost/default",
            ["SafeAmqp:eu:Uri"] = "amqp://u:p@localhost/eu",
            ["SafeAmqp:eu:orders:Uri"] = "amqp://u:p@localhost/orders",
        };
        static void Register(IServiceCollection services)
        {
            services.AddSafeAmqp();
            services.AddKeyedSafeAmqp("eu");
            services.AddKeyedSafeAmqp("eu:orders");
        }

        Assert.Equal(
            ["amqp://u:p@localhost/default", "amqp://u:p@localhost/eu", "amqp://u:p@localhost/orders"],
            new[] { "", "eu", "eu:orders" }
                .Select(key => TestHost.Options(settings, (services, _) => Register(services), key).Uri));
    }

    [Theory]
    [InlineData("")]
    [InlineData("heartbeat")]
    [InlineData("Tls")]
    [InlineData("Credentials")]
    [InlineData("Uri:x")]
    [InlineData("eu:Tls")]
    public void A_key_that_configuration_could_not_tell_from_an_option_is_refused(string key)
        => Assert.Throws<ArgumentException>(() => new ServiceCollection().AddKeyedSafeAmqp(key));

    [Fact]
    public async Task Clients_are_singletons_under_their_keys()
    {
        var services = new ServiceCollection();
        services.AddSafeAmqp(options => options.Uri = "amqp://u:p@localhost/");
        services.AddKeyedSafeAmqp("one", options => options.Uri = "amqp://u:p@localhost/one");
        services.AddKeyedSafeAmqp("two", options => options.Uri = "amqp://u:p@localhost/two");
        await using var provider = services.BuildServiceProvider();

        var clients = new[]
        {
            provider.GetRequiredService<IAmqpClient>(),
            provider.GetRequiredKeyedService<IAmqpClient>("one"),
            provider.GetRequiredKeyedService<IAmqpClient>("two"),
        };

        Assert.Equal(3, clients.Distinct().Count());
        Assert.All(clients, client => Assert.IsType<AmqpClient>(client));
        Assert.Same(clients[1], provider.GetRequiredKeyedService<IAmqpClient>("one"));
    }

    [Fact]
    public void Adding_a_client_twice_adds_to_it()
    {
        var services = new ServiceCollection();
        services.AddSafeAmqp().AddConsumer("one", (_, _) => new(AmqpSettlement.Ack));
        services.AddSafeAmqp().AddConsumer("two", (_, _) => new(AmqpSettlement.Ack));

        Assert.Single(services, service => service.ServiceType == typeof(IHostedService));
        Assert.Single(services, service => service.ServiceType == typeof(IAmqpClient));
        Assert.Equal(2, ClientRegistration.FindOrAdd(services, null).Workers.Count);
    }

    [Fact(Timeout = Patience)]
    public async Task Each_key_starts_its_own_consumers_on_its_own_client()
    {
        var one = new FakeClient();
        var two = new FakeClient();
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddKeyedSingleton<IAmqpClient>("one", one).AddKeyedSingleton<IAmqpClient>("two", two);
        builder.Services.AddKeyedSafeAmqp("one", options => options.Uri = "amqp://u:p@localhost/")
            .AddConsumer("queue-one", (_, _) => new(AmqpSettlement.Ack));
        builder.Services.AddKeyedSafeAmqp("two", options => options.Uri = "amqp://u:p@localhost/")
            .AddConsumer("queue-two", (_, _) => new(AmqpSettlement.Ack));
        using var host = builder.Build();

        await host.StartAsync(TestContext.Current.CancellationToken);
        await Task.WhenAll(one.SeenAsync("consume queue-one"), two.SeenAsync("consume queue-two"));
        await host.StopAsync(TestContext.Current.CancellationToken);

        Assert.Equal(["consume queue-one", "stop queue-one", "dispose"], one.Journal);
        Assert.Equal(["consume queue-two", "stop queue-two", "dispose"], two.Journal);
    }
}
