using System.Net.Http.Json;
using System.Text;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Mvc.Testing;
using Microsoft.AspNetCore.TestHost;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using NSubstitute;
using Calls = Guide.Calls;
using Payments = Guide.Failures;

namespace Orders.Tests;

#pragma warning disable CA2012 // what a substitute is told to return is awaited by the sample

/// <summary>The samples over a client that is faked, with a library and by hand: whatever the interface gives back or
/// throws, a test can make.</summary>
public sealed class FakedClientTests
{
    private readonly List<string> _said = [];

    public static TheoryData<AmqpException, string> Failures => new()
    {
        { new AmqpReturnedException("no queue"), "Returned: it may be published again. no queue" },
        { new AmqpNackedException("full"), "Nacked: it may be published again. full" },
        { new AmqpRefusedException("no such exchange"), "Refused: it may be published again. no such exchange" },
        { new AmqpNotSentException("down"), "NotSent: it may be published again. down" },
        { new AmqpUnknownOutcomeException("lost"),
            "It may have arrived, and may be published again with the same message id. lost" },
    };

    [Theory, MemberData(nameof(Failures))]
    public async Task Each_outcome_of_a_publish_can_be_faked(AmqpException error, string expected)
    {
        IAmqpClient amqp = Substitute.For<IAmqpClient>();
        amqp.PublishAsync(Arg.Any<AmqpMessage>(), Arg.Any<TimeSpan>(), Arg.Any<CancellationToken>())
            .Returns(_ => ValueTask.FromException(error));

        await Payments.PublishAsync(amqp, AmqpMessage.ToQueue("payments", []), _said.Add);

        Assert.Equal([expected], _said);
    }

    [Fact]
    public async Task The_outcomes_of_a_batch_can_be_faked()
    {
        IAmqpClient amqp = Substitute.For<IAmqpClient>();
        AmqpMessage[] messages = [AmqpMessage.ToQueue("a", []), AmqpMessage.ToQueue("b", [])];
        IReadOnlyList<AmqpPublishResult> results = [new(AmqpOutcome.Confirmed, null),
            new(AmqpOutcome.Returned, new AmqpReturnedException("no queue"))];
        amqp.PublishAllAsync(messages, Arg.Any<CancellationToken>()).Returns(results);

        await Payments.PublishAllAsync(amqp, messages, _said.Add);

        Assert.Equal(["Message 1: Returned"], _said);
    }

    [Fact]
    public async Task What_an_administrator_is_told_can_be_faked()
    {
        IAmqpClient amqp = Substitute.For<IAmqpClient>();
        amqp.Admin.CountAsync("payments.dead", Arg.Any<CancellationToken>()).Returns(new AmqpQueueCounts(3, 0));
        amqp.Admin.ReturnDeadAsync("payments", Arg.Any<CancellationToken>()).Returns(2);

        await Payments.ReturnAsync(amqp, _said.Add);

        Assert.Equal(["3 dead, 2 returned"], _said);
    }

    [Fact]
    public async Task A_subscription_is_given_back_and_stopped_by_hand()
    {
        int stopped = 0;
        AmqpHandler? pay = null;
        IAmqpClient amqp = Substitute.For<IAmqpClient>();
        amqp.ConsumeAsync("payments", Arg.Do<AmqpHandler>(handler => pay = handler), Arg.Any<AmqpConsumerOptions>(),
            Arg.Any<CancellationToken>()).Returns(
                new AmqpSubscription("payments", () => Task.FromResult(stopped++)));

        await using (AmqpSubscription consumer = await Payments.PayAsync(amqp, () => true, _said.Add))
        {
            Assert.Equal(AmqpConsumerState.Live, consumer.State);
            AmqpSettlement settlement = await pay!(
                new AmqpDelivery(AmqpMessage.ToQueue("payments", "5 EUR"u8.ToArray())), CancellationToken.None);
            Assert.Equal(AmqpSettlement.Ack, settlement);
        }

        Assert.Equal((1, "Attempt 1", "Paid 5 EUR"), (stopped, _said[0], _said[1]));
    }

    [Fact]
    public async Task Replies_and_their_absence_can_be_faked()
    {
        IAmqpClient amqp = Substitute.For<IAmqpClient>();
        amqp.CallAsync(Arg.Any<AmqpMessage>(), Arg.Any<AmqpCallOptions>(), Arg.Any<CancellationToken>()).Returns(
            _ => new(new AmqpReply(new AmqpMessage { Body = """{"amount":3.50}"""u8.ToArray() }, TimeSpan.Zero)),
            _ => ValueTask.FromException<AmqpReply>(new AmqpRemoteException("no price", "TooDear")),
            _ => ValueTask.FromException<AmqpReply>(new AmqpNoReplyException("too late", AmqpOutcome.Confirmed)));

        await Calls.RunAsync(amqp, _said.Add);

        Assert.Equal(["Tea: 3.50", "The server threw TooDear", "No reply in time, the request was Confirmed"], _said);
    }

    [Fact]
    public async Task A_worker_consumes_from_a_client_made_by_hand()
    {
        var amqp = new HandMadeClient();
        HostApplicationBuilder builder = Host.CreateApplicationBuilder();
        builder.Services.AddSingleton<IAmqpClient>(amqp);
        builder.Services.AddSafeAmqp(options => options.Uri = "amqp://localhost")
            .AddTopology(new AmqpTopology().Queue("orders"))
            .AddConsumer<Order, OrderHandler>("orders");
        using (IHost host = builder.Build())
        {
            await host.StartAsync(TestContext.Current.CancellationToken);
            await amqp.Consuming.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);

            Assert.Equal(AmqpSettlement.Ack, await amqp.DeliverAsync(Json("""{"item":"tea","count":2}""")));
            await Assert.ThrowsAsync<AmqpUnreadableException>(async () => await amqp.DeliverAsync(Json("tea")));
            Assert.False(amqp.IsStopped);
            await host.StopAsync(TestContext.Current.CancellationToken);
        }
        Assert.True(amqp.IsStopped);
    }

    [Fact]
    public async Task A_service_publishes_to_a_client_made_by_hand()
    {
        var amqp = new HandMadeClient();
        await using var factory = new WebApplicationFactory<Program>().WithWebHostBuilder(host => host
            .UseSetting("ConnectionStrings:SafeAmqp", "amqp://localhost")
            .ConfigureTestServices(services => services.AddSingleton<IAmqpClient>(amqp)));

        await factory.CreateClient().PostAsJsonAsync("/orders", new { item = "tea", count = 2 },
            TestContext.Current.CancellationToken);

        AmqpMessage order = Assert.Single(amqp.Published);
        Assert.Equal(("", "orders", "application/json"), (order.Exchange, order.RoutingKey, order.ContentType));
        Assert.Equal("""{"item":"tea","count":2}""", Encoding.UTF8.GetString(order.Body.Span));
    }

    private static AmqpMessage Json(string text) => AmqpMessage.ToQueue("orders", Encoding.UTF8.GetBytes(text));
}
