using System.Net;
using System.Net.Http.Json;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.DependencyInjection;
using NSubstitute;

namespace Orders.Tests;

// The programs of docs/testing.md are examples to read and need no token.
#pragma warning disable xUnit1051
public sealed class TestingPageTests
{
    // <typed>
    [Fact]
    public async Task An_order_is_packed()
    {
        var order = new Order("tea", 2);
        var delivery = new AmqpDelivery(AmqpMessage.ToQueue("orders", []));

        AmqpSettlement settlement = await new OrderHandler().HandleAsync(order, delivery, CancellationToken.None);

        Assert.Equal(AmqpSettlement.Ack, settlement);
    }
    // </typed>

    // <fake>
    [Fact]
    public async Task An_order_goes_to_its_queue()
    {
        IAmqpClient amqp = Substitute.For<IAmqpClient>();
        await using var factory = new WebApplicationFactory<Program>().WithWebHostBuilder(host => host
            .UseSetting("ConnectionStrings:SafeAmqp", "amqp://localhost")
            .ConfigureTestServices(services => services.AddSingleton(amqp)));

        await factory.CreateClient().PostAsJsonAsync("/orders", new { item = "tea", count = 2 });

        await amqp.Received(1).PublishAsync(
            Arg.Is<AmqpMessage>(message => message.RoutingKey == "orders"), Arg.Any<CancellationToken>());
    }
    // </fake>

    // <service>
    [Fact]
    public async Task An_order_is_accepted_and_waits_in_its_queue()
    {
        await using var factory = new WebApplicationFactory<Program>().WithWebHostBuilder(host =>
            host.ConfigureTestServices(services => services.AddSafeAmqpTesting()));

        HttpResponseMessage answer = await factory.CreateClient().PostAsJsonAsync("/orders",
            new { item = "tea", count = 2 });

        Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
        var broker = factory.Services.GetRequiredService<AmqpTestBroker>();
        AmqpTestMessage order = Assert.Single(await broker.LookAsync(view => view.Messages("orders")));
        Assert.Equal("""{"item":"tea","count":2}""", order.Text);
    }
    // </service>

    // <lost>
    [Fact]
    public async Task An_order_whose_connection_is_lost_is_not_accepted()
    {
        await using var factory = new WebApplicationFactory<Program>().WithWebHostBuilder(host =>
            host.ConfigureTestServices(services => services.AddSafeAmqpTesting()));
        HttpClient http = factory.CreateClient();
        var broker = factory.Services.GetRequiredService<AmqpTestBroker>();
        using FaultScript script = broker.Script(FaultTrigger.Publish().Nth(1), FaultAction.Reset());

        HttpResponseMessage first = await http.PostAsJsonAsync("/orders", new { item = "tea", count = 2 });
        HttpResponseMessage second = await http.PostAsJsonAsync("/orders", new { item = "tea", count = 2 });

        Assert.Equal(HttpStatusCode.InternalServerError, first.StatusCode);
        Assert.Equal(HttpStatusCode.Accepted, second.StatusCode);    // the client has come back
    }
    // </lost>
}
#pragma warning restore xUnit1051
