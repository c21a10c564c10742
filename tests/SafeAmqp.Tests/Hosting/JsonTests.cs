using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace SafeAmqp.Tests.Hosting;

public sealed partial class JsonTests
{
    private static readonly Order Sample = new("book", 3);

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_value_is_published_as_json_with_its_content_type()
    {
        var client = new FakeClient();

        await client.PublishJsonAsync("shop", "orders", Sample, Json.Default.Order, Token);

        var message = Assert.Single(client.Published);
        Assert.Equal("""{"Article":"book","Count":3}""", Encoding.UTF8.GetString(message.Body.Span));
        Assert.Equal(
            ("shop", "orders", "application/json"), (message.Exchange, message.RoutingKey, message.ContentType));
        Assert.True(message.Mandatory && message.Persistent);
        Assert.Equal("Order", message.Type);
        Assert.Equal(32, message.MessageId!.Length);
    }

    [Fact]
    public async Task A_template_keeps_its_properties_and_its_own_content_type()
    {
        var client = new FakeClient();
        var template = AmqpMessage.Broadcast("shop", "ignored"u8.ToArray()) with
        {
            MessageId = "7",
            ContentType = "application/vnd.order+json"
        };

        await client.PublishJsonAsync(template, Sample, Json.Default.Order, Token);

        Assert.Equivalent(template with { Body = default, Type = "Order" },
            Assert.Single(client.Published) with { Body = default });
        Assert.StartsWith("{", Encoding.UTF8.GetString(client.Published.Single().Body.Span), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("\uFEFF")] // as StreamWriter and Encoding.UTF8 write
    public void A_byte_order_mark_is_passed_over(string mark)
    {
        var message = AmqpMessage.ToQueue(
            "orders", Encoding.UTF8.GetBytes(mark + """{"Article":"book","Count":3}"""));
        Assert.Equal(Sample, new AmqpJsonSerializer(Json.Default).Deserialize(message, typeof(Order)));
    }

    [Fact]
    public async Task A_call_sends_and_returns_values()
    {
        var client = new FakeClient { Answer = _ => new AmqpMessage { Body = "12.5"u8.ToArray() } };

        double price = await client.CallJsonAsync(
            "", "prices", Sample, Json.Default.Order, Json.Default.Double, cancellationToken: Token);

        Assert.Equal(12.5, price);
        Assert.Equal(12.5, await client.CallAsync<Order, double>("", "prices", Sample,
            new AmqpJsonSerializer(Json.Default), cancellationToken: Token));
        Assert.Equal(
            ("prices", "application/json"),
            client.Published.Select(message => (message.RoutingKey, message.ContentType)).Distinct().Single());
        Assert.Equal(2, client.Published.Count);
    }

    [Fact]
    public async Task A_reply_may_be_null_and_must_parse()
    {
        var client = new FakeClient { Answer = _ => new AmqpMessage { Body = "null"u8.ToArray() } };
        Assert.Null(await client.CallJsonAsync(
            "", "orders", 1.0, Json.Default.Double, Json.Default.Order, cancellationToken: Token));

        client.Answer = _ => new AmqpMessage { Body = "secret"u8.ToArray() };
        var fault = await Assert.ThrowsAsync<InvalidDataException>(async () =>
            await client.CallJsonAsync(
                "", "orders", 1.0, Json.Default.Double, Json.Default.Order, cancellationToken: Token));
        Assert.DoesNotContain("secret", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Deliveries_reach_the_handler_as_values()
    {
        var client = new FakeClient();
        Order? seen = null;
        await using var subscription = await client.ConsumeJsonAsync(
            "orders", Json.Default.Order, (order, delivery, _) =>
        {
            seen = order;
            return new(delivery.Queue == "orders" ? AmqpSettlement.Requeue : AmqpSettlement.Ack);
        }, cancellationToken: Token);

        var settlement = await client.Handlers["orders"](
            FakeClient.Delivery("orders", JsonSerializer.SerializeToUtf8Bytes(Sample, Json.Default.Order)), Token);

        Assert.Equal(AmqpSettlement.Requeue, settlement);
        Assert.Equal(Sample, seen);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("""{"Article":"book"}""")]
    [InlineData("""{"Article":"book","Count":"many"}""")]
    [InlineData("""{"Article":"book","Count":-1}""")] // the constructor throws
    public async Task A_body_that_does_not_parse_is_unreadable_and_the_handler_does_not_run(string body)
    {
        var client = new FakeClient();
        await using var subscription = await client.ConsumeJsonAsync("orders", Json.Default.Order,
            (_, _, _) => throw new InvalidOperationException("the handler ran"), cancellationToken: Token);

        var fault = await Assert.ThrowsAsync<AmqpUnreadableException>(async () => await client.Handlers["orders"](
            FakeClient.Delivery("orders", Encoding.UTF8.GetBytes(body)), Token));
        Assert.DoesNotContain("book", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_handler_that_throws_fails_its_delivery_even_with_a_json_exception()
    {
        var client = new FakeClient();
        await using var subscription = await client.ConsumeJsonAsync("orders", Json.Default.Order,
            (_, _, _) => throw new JsonException("from another document"), cancellationToken: Token);

        await Assert.ThrowsAsync<JsonException>(async () =>
            await client.Handlers["orders"](
                FakeClient.Delivery("orders", JsonSerializer.SerializeToUtf8Bytes(Sample, Json.Default.Order)), Token));
    }

    [Fact]
    public async Task A_server_answers_values_and_faults_on_a_request_that_does_not_parse()
    {
        var client = new FakeClient();
        await using var subscription = await client.ServeJsonAsync("prices", Json.Default.Order, Json.Default.Double,
            (order, _, _) => new(order.Count * 1.5), cancellationToken: Token);

        var reply = await client.Servers["prices"](
            FakeClient.Delivery("prices", JsonSerializer.SerializeToUtf8Bytes(Sample, Json.Default.Order)), Token);
        Assert.Equal("4.5", Encoding.UTF8.GetString(reply.Body.Span));
        Assert.Equal("application/json", reply.ContentType);

        var fault = await Assert.ThrowsAsync<InvalidDataException>(async () =>
            await client.Servers["prices"](FakeClient.Delivery("prices", "not json"u8.ToArray()), Token));
        Assert.Equal("The request of 8 bytes is not valid application/json for Order.", fault.Message);
    }

    [Fact]
    public async Task Request_and_reply_of_one_type_are_each_by_their_own_metadata()
    {
        const string Asked = """{"Article":"book","Count":3}""", Answered = """{"article":"book","count":3}""";
        AmqpDelivery request = FakeClient.Delivery("orders", Encoding.UTF8.GetBytes(Asked));
        var client = new FakeClient { Answer = _ => new AmqpMessage { Body = Encoding.UTF8.GetBytes(Answered) } };
        Assert.Equal(Sample, await client.CallJsonAsync(
            "", "orders", Sample, Json.Default.Order, CamelJson.Default.Order, cancellationToken: Token));
        Assert.Equal(Asked, Encoding.UTF8.GetString(Assert.Single(client.Published).Body.Span));

        await using var subscription = await client.ServeJsonAsync("orders", Json.Default.Order,
            CamelJson.Default.Order, (order, _, _) => new(order), cancellationToken: Token);
        AmqpMessage reply = await client.Servers["orders"](request, Token);
        Assert.Equal(Answered, Encoding.UTF8.GetString(reply.Body.Span));

        await using var host = TestHost.Build(amqp => amqp
            .AddServer<Order, Order, Echo>("orders", Json.Default.Order, CamelJson.Default.Order)
            .AddManyServer<Order, Order, Echo>("many", Json.Default.Order, CamelJson.Default.Order));
        await host.StartAsync();
        await Task.WhenAll(host.Client.SeenAsync("serve orders"), host.Client.SeenAsync("serve many"));
        reply = await host.Client.Servers["orders"](request, Token);
        Assert.Equal(Answered, Encoding.UTF8.GetString(reply.Body.Span));
        reply = Assert.Single(await host.Client.ManyServers["many"](request, Token).ToArrayAsync(Token));
        Assert.Equal(Answered, Encoding.UTF8.GetString(reply.Body.Span));
    }

    [Fact]
    public async Task Null_is_not_sent()
    {
        var client = new FakeClient();

        await Assert.ThrowsAsync<ArgumentNullException>(
            async () => await client.PublishJsonAsync("", "orders", null!, Json.Default.Order, Token));
        Assert.Empty(client.Journal);
    }

    internal sealed record Order
    {
        [JsonConstructor]
        public Order(string article, int count)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(count);
            Article = article;
            Count = count;
        }

        public string Article { get; init; }

        [JsonRequired]
        public int Count { get; init; }
    }

    private sealed class Echo : IAmqpServer<Order, Order>, IAmqpManyServer<Order, Order>
    {
        ValueTask<Order> IAmqpServer<Order, Order>.HandleAsync(Order request, AmqpDelivery delivery,
            CancellationToken abandoned) => new(request);

        IAsyncEnumerable<Order> IAmqpManyServer<Order, Order>.HandleAsync(Order request, AmqpDelivery delivery,
            CancellationToken abandoned) => new[] { request }.ToAsyncEnumerable();
    }

    [JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
    [JsonSerializable(typeof(Order))]
    private sealed partial class CamelJson : JsonSerializerContext;

    [JsonSerializable(typeof(Order))]
    [JsonSerializable(typeof(double))]
    private sealed partial class Json : JsonSerializerContext;
}
