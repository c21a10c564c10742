using System.Text;
using System.Text.Json.Serialization;
using Microsoft.Extensions.DependencyInjection;

namespace SafeAmqp.Tests.Hosting;

public sealed partial class TypedTests
{
    private const int Patience = 20_000;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory(Timeout = Patience)]
    [InlineData("reflection")]
    [InlineData("metadata")]
    [InlineData("serializer")]
    [InlineData("service")]
    public async Task A_class_consumes_values_in_whatever_way_they_are_read(string way)
    {
        var seen = new Seen();
        await using var host = TestHost.Build(amqp =>
        {
            amqp.Services.AddSingleton(seen);
            if (way == "service")
                amqp.Services.AddSingleton<IAmqpSerializer>(new BinarySerializer());
            _ = way switch
            {
                "metadata" => amqp.AddConsumer<Paid, PaidConsumer>("paid", TypedJson.Default.Paid),
                "serializer" => amqp.AddConsumer<Paid, PaidConsumer>("paid", new BinarySerializer()),
                _ => amqp.AddConsumer<Paid, PaidConsumer>("paid"),
            };
        });
        await host.StartAsync();
        await host.Client.SeenAsync("consume paid");
        byte[] body = way switch
        {
            "reflection" => "{\"order\":7,\"amount\":12.5}"u8.ToArray(), // camel case, as the web has it
            "metadata" => "{\"Order\":7,\"Amount\":12.5}"u8.ToArray(),
            _ => BinarySerializer.Bytes(new Paid(7, 12.5)),
        };

        Assert.Equal(AmqpSettlement.Requeue, await host.Client.Handlers["paid"](
            FakeClient.Delivery("paid", body), Token));

        Assert.Equal([new Paid(7, 12.5)], seen.Values);
    }

    [Fact(Timeout = Patience)]
    public async Task What_cannot_be_read_reaches_no_class_and_says_so()
    {
        var seen = new Seen();
        await using var host = TestHost.Build(amqp =>
        {
            amqp.Services.AddSingleton(seen);
            amqp.AddConsumer<Paid, PaidConsumer>("paid");
        });
        await host.StartAsync();
        await host.Client.SeenAsync("consume paid");

        var fault = await Assert.ThrowsAsync<AmqpUnreadableException>(async () => await host.Client.Handlers["paid"](
            FakeClient.Delivery("paid", "secret"u8.ToArray()), Token));

        Assert.Equal("The body of 6 bytes is not valid application/json for Paid.", fault.Message);
        Assert.Empty(seen.Values);
    }

    [Theory(Timeout = Patience)]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_class_answers_values_with_values(bool binary)
    {
        await using var host = TestHost.Build(amqp => _ = binary
            ? amqp.AddServer<Paid, double, Taxes>("taxes", new BinarySerializer())
            : amqp.AddServer<Paid, double, Taxes>("taxes", TypedJson.Default.Paid, TypedJson.Default.Double));
        await host.StartAsync();
        await host.Client.SeenAsync("serve taxes");

        AmqpMessage reply = await host.Client.Servers["taxes"](FakeClient.Delivery("taxes",
            binary ? BinarySerializer.Bytes(new Paid(7, 12.5)) : "{\"Order\":7,\"Amount\":12.5}"u8.ToArray()),
            Token);

        Assert.Equal(binary ? "application/x-binary" : "application/json", reply.ContentType);
        Assert.Equal("Double", reply.Type);
        Assert.Equal(binary ? BitConverter.GetBytes(2.5) : "2.5"u8.ToArray(), reply.Body.ToArray());
    }

    [Theory(Timeout = Patience)]
    [InlineData("reflection")]
    [InlineData("metadata")]
    [InlineData("serializer")]
    public async Task A_class_answers_a_value_with_many(string way)
    {
        await using var host = TestHost.Build(amqp => _ = way switch
        {
            "metadata" => amqp.AddManyServer<Paid, double, Rates>("rates", TypedJson.Default.Paid,
                TypedJson.Default.Double),
            "serializer" => amqp.AddManyServer<Paid, double, Rates>("rates", new BinarySerializer()),
            _ => amqp.AddManyServer<Paid, double, Rates>("rates"),
        });
        await host.StartAsync();
        await host.Client.SeenAsync("serve rates");
        bool binary = way == "serializer";

        AmqpMessage[] replies = await host.Client.ManyServers["rates"](FakeClient.Delivery("rates",
            binary ? BinarySerializer.Bytes(new Paid(7, 12.5)) : "{\"Order\":7,\"Amount\":12.5}"u8.ToArray()),
            Token).ToArrayAsync(Token);

        Assert.All(replies, reply => Assert.Equal(
            (binary ? "application/x-binary" : "application/json", "Double"), (reply.ContentType, reply.Type)));
        Assert.Equal(binary ? [.. BitConverter.GetBytes(2.5), .. BitConverter.GetBytes(1.25)] : "2.51.25"u8.ToArray(),
            replies.SelectMany(reply => reply.Body.ToArray()));
    }

    [Fact]
    public async Task A_value_is_published_without_ceremony_and_says_what_it_is()
    {
        var client = new FakeClient();

        await client.PublishJsonAsync("shop", "paid", new Paid(7, 12.5), cancellationToken: Token);

        AmqpMessage message = Assert.Single(client.Published);
        Assert.Equal("{\"order\":7,\"amount\":12.5}", Encoding.UTF8.GetString(message.Body.Span));
        Assert.Equal(("shop", "paid", "application/json", "Paid"),
            (message.Exchange, message.RoutingKey, message.ContentType, message.Type));
        Assert.NotNull(message.MessageId);
    }

    [Fact]
    public async Task An_event_whose_type_is_known_at_run_time_only_goes_out_and_comes_in_as_what_it_is()
    {
        var client = new FakeClient();
        var events = new Dictionary<string, Type> { ["Paid"] = typeof(Paid), ["Shipped"] = typeof(Shipped) };
        var seen = new List<object>();
        await client.ConsumeAsync("events", new BinarySerializer(),
            delivery => events.GetValueOrDefault(delivery.Message.Type ?? ""),
            (value, _, _) =>
            {
                seen.Add(value);
                return new(AmqpSettlement.Ack);
            }, cancellationToken: Token);
        foreach (object happened in (object[])[new Paid(7, 12.5), new Shipped(8)])
            await client.PublishAsync("events", "", happened, new BinarySerializer(), Token);

        foreach (AmqpMessage message in client.Published)
            await client.Handlers["events"](FakeClient.Delivery(message with { RoutingKey = "events" }), Token);

        Assert.Equal([new Paid(7, 12.5), new Shipped(8)], seen);
        await Assert.ThrowsAsync<AmqpUnreadableException>(async () => await client.Handlers["events"](
            FakeClient.Delivery(new AmqpMessage { RoutingKey = "events", Type = "Refunded" }), Token));
    }

    internal sealed record Paid(int Order, double Amount);

    internal sealed record Shipped(int Order);

    internal sealed class Seen
    {
        internal List<Paid> Values { get; } = [];
    }

    internal sealed class PaidConsumer(Seen seen) : IAmqpConsumer<Paid>
    {
        public ValueTask<AmqpSettlement> HandleAsync(
            Paid message, AmqpDelivery delivery, CancellationToken deliveryLost)
        {
            seen.Values.Add(message);
            return new(AmqpSettlement.Requeue);
        }
    }

    internal sealed class Taxes : IAmqpServer<Paid, double>
    {
        public ValueTask<double> HandleAsync(Paid request, AmqpDelivery delivery, CancellationToken abandoned)
            => new(request.Amount / 5);
    }

    internal sealed class Rates : IAmqpManyServer<Paid, double>
    {
        public IAsyncEnumerable<double> HandleAsync(Paid request, AmqpDelivery delivery, CancellationToken abandoned)
            => ((double[])[request.Amount / 5, request.Amount / 10]).ToAsyncEnumerable();
    }

    /// <summary>A format that is no text: an integer, then eight bytes where there is an amount.</summary>
    private sealed class BinarySerializer : IAmqpSerializer
    {
        public string ContentType => "application/x-binary";

        public ReadOnlyMemory<byte> Serialize(object? value, Type type) => Bytes(value);

        public object? Deserialize(AmqpMessage message, Type type)
            => type == typeof(Shipped) ? new Shipped(BitConverter.ToInt32(message.Body.Span))
                : new Paid(BitConverter.ToInt32(message.Body.Span), BitConverter.ToDouble(message.Body.Span[4..]));

        internal static byte[] Bytes(object? value) => value switch
        {
            Paid paid => [.. BitConverter.GetBytes(paid.Order), .. BitConverter.GetBytes(paid.Amount)],
            Shipped shipped => BitConverter.GetBytes(shipped.Order),
            double number => BitConverter.GetBytes(number),
            _ => throw new NotSupportedException(),
        };
    }

    [JsonSerializable(typeof(Paid))]
    [JsonSerializable(typeof(double))]
    private sealed partial class TypedJson : JsonSerializerContext;
}
