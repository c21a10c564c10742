using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Sockets;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Orders.Tests;

/// <summary>AddSafeAmqpTesting connects every client of a host to a broker of the test.</summary>
public sealed class TestHostTests
{
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(30);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_client_keyed_or_not_connects_to_it_whatever_its_options_say()
    {
        HostApplicationBuilder builder = Host.CreateApplicationBuilder();
        builder.Services.AddSafeAmqp(options =>
        {
            options.Uri = "amqps://shop:secret@rabbit.example:5671/shop?heartbeat=20&server_name_indication=rabbit";
            options.Hosts = ["rabbit-2.example"];
            options.RequireTls = true;
            options.AuthMechanism = AmqpAuthMechanism.External;
            options.Tls.TrustedRootsFile = "/nowhere/roots.pem";
            options.Credentials = _ => throw new InvalidOperationException("The vault is not there in tests.");
            options.PublishTimeout = TimeSpan.FromSeconds(7);
        });
        builder.Services.AddKeyedSafeAmqp("audit", options => (options.Hosts, options.VirtualHost, options.UserName,
            options.Password) = (["audit.example"], "audit", "auditor", "secret"));
        builder.Services.AddSafeAmqpTesting();
        // A client that comes later connects there as well.
        builder.Services.AddKeyedSafeAmqp("placeholder", options => options.Uri = "{set by the deployment}");
        using IHost host = builder.Build();
        await host.StartAsync(Cancelled);

        var broker = host.Services.GetRequiredService<AmqpTestBroker>();
        (string? Key, string VirtualHost)[] clients = [(null, "shop"), ("audit", "audit"), ("placeholder", "/")];
        foreach ((string? key, string virtualHost) in clients)
        {
            var amqp = host.Services.GetRequiredKeyedService<IAmqpClient>(key);
            await amqp.DeclareAsync(new AmqpTopology().Queue("orders"), Cancelled);
            await amqp.PublishAsync("", "orders", "tea"u8.ToArray(), Cancelled);
            Assert.Single(await broker.LookAsync(view => view.Messages("orders", virtualHost)));
        }
        Assert.Equal(["/", "audit", "shop"], (await broker.LookAsync(view => view.Connections
            .Select(connection => connection.VirtualHost).Distinct().ToArray())).Order(StringComparer.Ordinal));
        Assert.Equal(TimeSpan.FromSeconds(7), host.Services.GetRequiredService<Microsoft.Extensions.Options
            .IOptions<AmqpClientOptions>>().Value.PublishTimeout);
        await host.StopAsync(Cancelled);
    }

    [Fact]
    public async Task What_a_URI_sets_beside_its_address_is_kept()
    {
        HostApplicationBuilder builder = Host.CreateApplicationBuilder();
        builder.Services.AddSafeAmqp(options => options.Uri = "amqps://shop:secret@rabbit.example/shop?heartbeat=20"
            + "&auth_mechanism=external&certfile=/nowhere/client.pem&keyfile=/nowhere/client.key&verify=verify_peer"
            + "&cacertfile=/nowhere/roots.pem&server_name_indication=rabbit&connection_timeout=7000&channel_max=50"
            + "&frame_max=8192");
        builder.Services.AddKeyedSafeAmqp("plain", options => options.Uri = "amqp://rabbit.example");
        builder.Services.AddSafeAmqpTesting();
        using IHost host = builder.Build();

        var options = host.Services.GetRequiredService<Microsoft.Extensions.Options
            .IOptionsMonitor<AmqpClientOptions>>();
        string address = host.Services.GetRequiredService<AmqpTestBroker>().Uri.GetLeftPart(UriPartial.Authority);
        Assert.Equal(address + "?heartbeat=20&connection_timeout=7000&channel_max=50&frame_max=8192",
            options.CurrentValue.Uri);
        Assert.Equal(address, options.Get("plain").Uri);
        await host.StartAsync(Cancelled);
        await host.Services.GetRequiredService<IAmqpClient>().DeclareAsync(
            new AmqpTopology().Queue("orders"), Cancelled);
        await host.StopAsync(Cancelled);
    }

    [Fact]
    public async Task The_rights_that_a_test_has_set_are_kept()
    {
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(cancellationToken: Cancelled);
        broker.SetPermissions("guest", write: "^(orders|amq\\.default)$");
        await using var factory = Service(services => services.AddSafeAmqpTesting(broker));
        var amqp = factory.Services.GetRequiredService<IAmqpClient>();

        await amqp.PublishAsync("", "orders", "tea"u8.ToArray(), Cancelled);
        var refused = await Assert.ThrowsAsync<AmqpRefusedException>(
            async () => await amqp.PublishAsync("amq.fanout", "", "tea"u8.ToArray(), Cancelled));

        Assert.Equal(403, refused.ReplyCode);
    }

    [Fact]
    public async Task Its_address_fits_ConnectAsync_and_it_is_set_up_as_the_test_says()
    {
        await using var factory = Service(services => services.AddSafeAmqpTesting(broker =>
            (broker.UserName, broker.Password, broker.Version) = ("a/b:c@d", "p%w d", RabbitMqVersion.RabbitMq310)));
        using HttpClient http = factory.CreateClient();
        var broker = factory.Services.GetRequiredService<AmqpTestBroker>();

        await using AmqpClient amqp = await AmqpClient.ConnectAsync(broker.Uri, Cancelled);
        await amqp.PublishAsync("", "orders", "tea"u8.ToArray(), Cancelled);

        Assert.Equal("tea", Assert.Single(await broker.LookAsync(view => view.Messages("orders"))).Text);
        Assert.Equal(["a/b:c@d"], await broker.LookAsync(view => view.Connections
            .Select(connection => connection.UserName).Distinct().ToArray()));
        using HttpResponseMessage ready = await http.GetAsync(new Uri("/ready", UriKind.Relative), Cancelled);
        Assert.True(ready.IsSuccessStatusCode);
    }

    [Fact]
    public async Task It_ends_with_its_host_and_each_host_has_its_own()
    {
        int first, second;
        await using (var one = Service(services => services.AddSafeAmqpTesting()))
        await using (var other = Service(services => services.AddSafeAmqpTesting()))
        {
            first = one.Services.GetRequiredService<AmqpTestBroker>().Port;
            second = other.Services.GetRequiredService<AmqpTestBroker>().Port;
            Assert.NotEqual(first, second);
        }
        await UntilRefusedAsync(first);
        await UntilRefusedAsync(second);
    }

    // The program disposes of its container, too, and the factory may be back before it has.
    private static async Task UntilRefusedAsync(int port)
    {
        var watch = Stopwatch.StartNew();
        while (true)
        {
            using var client = new TcpClient();
            try
            {
                await client.ConnectAsync("127.0.0.1", port, Cancelled);
            }
            catch (SocketException)
            {
                return;
            }
            Assert.True(watch.Elapsed < Limit, $"Port {port} is still open.");
            await Task.Delay(10, Cancelled);
        }
    }

    [Fact]
    public async Task Several_hosts_talk_to_each_other_over_one_broker_that_outlives_them()
    {
        await using AmqpTestBroker broker = await AmqpTestBroker.StartAsync(cancellationToken: Cancelled);
        var packed = new BlockingCollection<string>();
        HostApplicationBuilder builder = Host.CreateApplicationBuilder();
        builder.Services.AddSafeAmqp().AddTopology(new AmqpTopology().Queue("orders"))
            .AddConsumer("orders", (order, lost) =>
            {
                packed.Add(System.Text.Encoding.UTF8.GetString(order.Body.Span), CancellationToken.None);
                return new(AmqpSettlement.Ack);
            });
        builder.Services.AddSafeAmqpTesting().AddSafeAmqpTesting(broker); // the last call counts
        using (IHost worker = builder.Build())
        {
            await worker.StartAsync(Cancelled);
            await using var factory = Service(services => services.AddSafeAmqpTesting(broker));
            using HttpClient http = factory.CreateClient();
            using var order = new StringContent("""{"item":"tea","count":2}""", System.Text.Encoding.UTF8,
                "application/json");
            using HttpResponseMessage answer = await http.PostAsync(new Uri("/orders", UriKind.Relative), order,
                Cancelled);
            Assert.True(packed.TryTake(out string? text, Limit));
            Assert.Equal("""{"item":"tea","count":2}""", text);
            await worker.StopAsync(Cancelled);
        }
        await using AmqpClient amqp = await AmqpClient.ConnectAsync(broker.Uri, Cancelled);
        Assert.Equal(0, (await amqp.Admin.CountAsync("orders", Cancelled)).Messages);
    }

    private static WebApplicationFactory<Program> Service(Action<IServiceCollection> configure)
        => new WebApplicationFactory<Program>().WithWebHostBuilder(host => host.ConfigureTestServices(configure));
}
