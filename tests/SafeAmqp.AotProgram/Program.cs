using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Text;
using System.Text.Json.Serialization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using SafeAmqp;
using SafeAmqp.AotProgram;

// Uses every verb once and says what came of it, in lines that never differ. The first argument is the broker's URI.
var spans = new ConcurrentDictionary<string, bool>();
using var activities = new ActivityListener
{
    ShouldListenTo = source => source.Name == AmqpTelemetry.ActivitySourceName,
    Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
    ActivityStopped = activity => spans.TryAdd($"{activity.GetTagItem("messaging.operation.name")}", true),
};
ActivitySource.AddActivityListener(activities);

var instruments = new ConcurrentDictionary<string, bool>();
using var meters = new MeterListener
{
    InstrumentPublished = (instrument, listener) =>
    {
        if (instrument.Meter.Name == AmqpTelemetry.MeterName)
            listener.EnableMeasurementEvents(instrument);
    },
};
meters.SetMeasurementEventCallback<long>((instrument, _, _, _) => instruments.TryAdd(instrument.Name, true));
meters.SetMeasurementEventCallback<double>((instrument, _, _, _) => instruments.TryAdd(instrument.Name, true));
meters.Start();

var builder = Host.CreateApplicationBuilder();
builder.Logging.ClearProviders();
builder.Configuration["SafeAmqp:Uri"] = args[0];
builder.Configuration["SafeAmqp:Heartbeat"] = "00:00:20";
builder.Services.AddSingleton<Handled>();
builder.Services.AddSafeAmqp().WaitForConnection()
    .AddTopology(new AmqpTopology().Queue("hosted").Queue("ordered").Queue("tripled").Queue("doubled")
        .Queue("counted"))
    .AddConsumer<HostedConsumer>("hosted")
    .AddConsumer<Order, OrderConsumer>("ordered", Json.Default.Order)
    .AddServer<int, int, Tripler>("tripled", Json.Default.Int32, Json.Default.Int32)
    .AddServer<Doubler>("doubled")
    .AddManyServer<int, int, Counter>("counted", Json.Default.Int32, Json.Default.Int32);
builder.Services.AddHealthChecks().AddSafeAmqp().AddSafeAmqpLiveness();
using var host = builder.Build();
await host.StartAsync();
var amqp = host.Services.GetRequiredService<IAmqpClient>();

var limited = new AmqpQueue
{
    Name = "limited",
    MaxLength = 10,
    Overflow = AmqpOverflow.RejectPublish,
    MessageTtl = TimeSpan.FromHours(1),
};
await amqp.DeclareAsync(new AmqpTopology()
    .Exchange("orders", "topic").Queue("orders").Bind("orders", "order.#").ToQueue("orders")
    .Queue("consumed").Queue("typed").Queue("length").Queue("sum")
    .With(limited));
Say("declared");

await amqp.PublishAsync(AmqpMessage.ToExchange("orders", "order.1", Bytes("published")) with
{
    Headers = new Dictionary<string, object?>
    {
        ["text"] = "t",
        ["number"] = 7L,
        ["flag"] = true,
        ["list"] = new List<object?> { 1, "two" },
    },
});
var batch = await amqp.PublishAllAsync(
    [AmqpMessage.ToQueue("orders", Bytes("first")), AmqpMessage.ToQueue("orders", Bytes("second"))]);
Say($"batch {string.Join(' ', batch.Select(result => result.Outcome))}");
await amqp.PostAsync(AmqpMessage.ToQueue("orders", Bytes("posted")));
int left = 4;
await foreach (var delivery in amqp.ReadAllAsync("orders"))
{
    Say($"read {Text(delivery.Body)} with {delivery.Message.Headers?.Count ?? 0} headers");
    if (--left == 0)
        break;
}

var consumed = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
await using (await amqp.ConsumeAsync("consumed", (delivery, _) =>
{
    consumed.TrySetResult(Text(delivery.Body));
    return ValueTask.FromResult(AmqpSettlement.Ack);
}, new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Retry(attempts: 2, delay: TimeSpan.FromSeconds(1)) }))
{
    await amqp.PublishAsync(AmqpMessage.ToQueue("consumed", Bytes("to a handler")));
    Say($"consumed {await consumed.Task}");
}

await using (await amqp.ServeAsync("length", (request, _) =>
    ValueTask.FromResult(new AmqpMessage { Body = Bytes($"{request.Body.Length}") })))
{
    Say($"called {Text((await amqp.CallAsync(AmqpMessage.ToQueue("length", Bytes("four")))).Body)}");
}
Say($"doubled {Text((await amqp.CallAsync(AmqpMessage.ToQueue("doubled", Bytes("ab")))).Body)}");
await Fails(async () => await amqp.CallAsync(AmqpMessage.ToQueue("doubled", Bytes(""))));
await Fails(async () => await amqp.PublishAsync(AmqpMessage.ToQueue("missing", Bytes("lost"))));
var missing = new AmqpQueue { Name = "missing", Passive = true };
await Fails(async () => await amqp.DeclareAsync(new AmqpTopology().With(missing)));

var typed = new TaskCompletionSource<Order>(TaskCreationOptions.RunContinuationsAsynchronously);
await using (await amqp.ConsumeJsonAsync("typed", Json.Default.Order, (order, _, _) =>
{
    typed.TrySetResult(order);
    return ValueTask.FromResult(AmqpSettlement.Ack);
}))
{
    await amqp.PublishJsonAsync("", "typed", new Order("pen", 3), Json.Default.Order);
    Say($"typed {await typed.Task}");
}
await using (await amqp.ServeJsonAsync("sum", Json.Default.Int32Array, Json.Default.Int32,
    (numbers, _, _) => ValueTask.FromResult(numbers.Sum())))
{
    int sum = await amqp.CallJsonAsync("", "sum", new[] { 20, 22 }, Json.Default.Int32Array, Json.Default.Int32);
    Say($"sum {sum}");
}

await amqp.PublishAsync(AmqpMessage.ToQueue("hosted", Bytes("to a class")));
Say($"hosted {await host.Services.GetRequiredService<Handled>().First.Task}");
await amqp.PublishAsync("", "ordered", new Order("book", 2), new AmqpJsonSerializer(Json.Default));
Say($"ordered {await host.Services.GetRequiredService<Handled>().Order.Task}");
Say($"tripled {await amqp.CallJsonAsync("", "tripled", 14, Json.Default.Int32, Json.Default.Int32)}");
var counted = new List<int>();
await foreach (int number in amqp.CallManyJsonAsync("", "counted", 3, Json.Default.Int32, Json.Default.Int32))
    counted.Add(number);
Say($"counted {string.Join(' ', counted)}");

var news = new TaskCompletionSource<string>(TaskCreationOptions.RunContinuationsAsynchronously);
await using (await amqp.SubscribeAsync("orders", ["news.#"], (delivery, _) =>
{
    news.TrySetResult(Text(delivery.Body));
    return ValueTask.FromResult(AmqpSettlement.Ack);
}))
{
    await amqp.PublishAsync("orders", "news.first", Bytes("to news"));
    Say($"subscribed {await news.Task}");
}
await amqp.PublishAsync("", "limited", Bytes("last"));
var counts = await amqp.Admin.CountAsync("limited");
var got = await amqp.Admin.GetAsync("limited");
Say($"got {Text(got!.Body)} of {counts.Messages}");
got.Settle(AmqpSettlement.Ack);
await amqp.DeleteAsync(new AmqpTopology().With(limited));
await Fails(async () => await amqp.Admin.CountAsync("limited"));
var health = await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync();
foreach (var (name, entry) in health.Entries.OrderBy(entry => entry.Key, StringComparer.Ordinal))
    Say($"{name} {entry.Status}");
Say($"links {string.Join(' ', amqp.Status.Links.Select(link => link.State))}");
meters.RecordObservableInstruments();
await host.StopAsync();

Say($"spans {string.Join(' ', spans.Keys.Order(StringComparer.Ordinal))}");
// Those of OpenTelemetry's conventions, and one that is asked for its value.
foreach (string instrument in instruments.Keys.Order(StringComparer.Ordinal))
{
    if (instrument.StartsWith("messaging.", StringComparison.Ordinal) || instrument == "safeamqp.connection.state")
        Say($"instrument {instrument}");
}
return 0;

static void Say(string line) => Console.WriteLine(line);

static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

static string Text(ReadOnlyMemory<byte> body) => Encoding.UTF8.GetString(body.Span);

static async Task Fails(Func<Task> operation)
{
    try
    {
        await operation();
        Say("did not fail");
    }
    catch (AmqpException error)
    {
        Say($"failed {error.GetType().Name} {error.Outcome}");
    }
}

namespace SafeAmqp.AotProgram
{
    internal sealed record Order(string Item, int Count);

    [JsonSerializable(typeof(Order))]
    [JsonSerializable(typeof(int))]
    [JsonSerializable(typeof(int[]))]
    internal sealed partial class Json : JsonSerializerContext;

    internal sealed class Handled
    {
        internal TaskCompletionSource<string> First { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        internal TaskCompletionSource<Order> Order { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }

    internal sealed class OrderConsumer(Handled handled) : IAmqpConsumer<Order>
    {
        public ValueTask<AmqpSettlement> HandleAsync(
            Order message, AmqpDelivery delivery, CancellationToken deliveryLost)
        {
            handled.Order.TrySetResult(message);
            return ValueTask.FromResult(AmqpSettlement.Ack);
        }
    }

    internal sealed class Tripler : IAmqpServer<int, int>
    {
        public ValueTask<int> HandleAsync(int request, AmqpDelivery delivery, CancellationToken abandoned)
            => ValueTask.FromResult(request * 3);
    }

    internal sealed class Counter : IAmqpManyServer<int, int>
    {
        public IAsyncEnumerable<int> HandleAsync(int request, AmqpDelivery delivery, CancellationToken abandoned)
            => Enumerable.Range(1, request).ToAsyncEnumerable();
    }

    internal sealed class HostedConsumer(Handled handled) : IAmqpConsumer
    {
        public ValueTask<AmqpSettlement> HandleAsync(AmqpDelivery delivery, CancellationToken deliveryLost)
        {
            handled.First.TrySetResult(Encoding.UTF8.GetString(delivery.Body.Span));
            return ValueTask.FromResult(AmqpSettlement.Ack);
        }
    }

    internal sealed class Doubler : IAmqpServer
    {
        public ValueTask<AmqpMessage> HandleAsync(AmqpDelivery request, CancellationToken abandoned)
            => request.Body.IsEmpty
                ? throw new InvalidOperationException("Nothing to double.")
                : ValueTask.FromResult(new AmqpMessage { Body = (byte[])[.. request.Body.Span, .. request.Body.Span] });
    }
}
