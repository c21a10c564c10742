using SafeAmqp;

var builder = WebApplication.CreateBuilder(args);
builder.Services.AddSafeAmqp().AddTopology(new AmqpTopology().Queue("orders"));
builder.Services.AddHealthChecks().AddSafeAmqp();

var app = builder.Build();
app.MapHealthChecks("/ready");
app.MapPost("/orders", async (Order order, IAmqpClient amqp, CancellationToken aborted) =>
{
    await amqp.PublishJsonAsync("", "orders", order, cancellationToken: aborted);
    return Results.Accepted();
});
app.Run();

internal sealed record Order(string Item, int Count);
