using System.Globalization;
using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using SafeAmqp;

// A service as any other: it moves messages from one queue to the next and publishes messages of its own, until it is
// told to end. What it says on its standard output is what it believes: "c 17" its message 17 is confirmed, "u 17" it
// does not know, "n 17" it was not sent. A test ends it in the middle of that, and compares.
string uri = args[0];
if (args is [_, "descriptors"])
{
    await Descriptors.RunAsync(uri);
    return;
}
var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
builder.Logging.ClearProviders();
builder.Services.Configure<HostOptions>(options => options.ShutdownTimeout = TimeSpan.FromSeconds(8));
builder.Services.AddSafeAmqp(options =>
{
    options.Uri = uri;
    options.ClientName = "fault-host";
    options.ShutdownTimeout = TimeSpan.FromSeconds(5);
    options.Heartbeat = TimeSpan.FromSeconds(5);
})
    .AddTopology(new AmqpTopology().Queue("in").Queue("out").Queue("mine"))
    .AddConsumer<Mover>(
        "in", new AmqpConsumerOptions { Prefetch = 20, Concurrency = 4, StopTimeout = TimeSpan.FromSeconds(3) });
builder.Services.AddHostedService<Talker>();
await builder.Build().RunAsync();
Console.WriteLine("bye");

internal sealed class Mover(IAmqpClient amqp) : IAmqpConsumer
{
    public async ValueTask<AmqpSettlement> HandleAsync(AmqpDelivery delivery, CancellationToken deliveryLost)
    {
        await amqp.PublishAsync(AmqpMessage.ToQueue("out", delivery.Body), CancellationToken.None);
        return AmqpSettlement.Ack;
    }
}

internal sealed class Talker(IAmqpClient amqp) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await amqp.DeclareAsync(new AmqpTopology().Queue("mine"), stoppingToken);
        var running = new List<Task>();
        for (int number = 1; !stoppingToken.IsCancellationRequested; number++)
        {
            running.Add(SayAsync(number));
            if (running.Count < 32)
                continue;
            running.Remove(await Task.WhenAny(running));
        }
        await Task.WhenAll(running);
    }

    private async Task SayAsync(int number)
    {
        string text = number.ToString(CultureInfo.InvariantCulture);
        char outcome = 'c';
        try
        {
            await amqp.PublishAsync(AmqpMessage.ToQueue("mine", Encoding.UTF8.GetBytes(text)));
        }
        catch (AmqpException error)
        {
            outcome = error.IsSafeToRepeat ? 'n' : 'u';
        }
        catch (ObjectDisposedException)
        {
            outcome = 'n';
        }
        Console.WriteLine($"{outcome} {text}");
    }
}
