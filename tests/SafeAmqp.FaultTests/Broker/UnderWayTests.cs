using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using SafeAmqp.Testing;

namespace SafeAmqp.FaultTests.Broker;

// A publish waits for what is being declared and could route it, however long the broker takes.
public sealed class UnderWayTests : FaultCase
{
    private static readonly AmqpMessage ToFan = AmqpMessage.ToExchange("fan", "", []);
    private static readonly AmqpMessage ToOther = AmqpMessage.ToExchange("other", "", []);

    private static readonly AmqpTopology OwnQueue = new AmqpTopology()
        .With(new AmqpQueue { Name = "own", Exclusive = true, Durable = false }).Bind("fan").ToQueue("own");

    [Fact]
    public async Task It_waits_in_order_while_what_goes_to_another_exchange_passes_it()
    {
        (AmqpTestBroker broker, AmqpClient client) = await SetUpAsync();
        using FaultScript ignored = broker.Script(
            FaultTrigger.QueueDeclare().ForQueue("own").Times(1), FaultAction.Ignore());
        Task declaring = client.DeclareAsync(OwnQueue, Cancelled);
        Task[] waiting = [.. Enumerable.Range(0, 50).Select(i => client.PublishAsync(
            ToFan with { Body = new[] { (byte)i } }, Cancelled).AsTask())];
        Task post = client.PostAsync(ToFan with { Body = new[] { (byte)50 }, Mandatory = false }, Cancelled).AsTask();
        Assert.Null(await EndOf(client.PublishAsync(ToOther, Cancelled)));
        await UntilAsync(() => client.Status.Links[0].QueuedMessages == 51);
        Assert.DoesNotContain(waiting, publish => publish.IsCompleted);
        await ignored.HappenedAsync(cancellationToken: Cancelled); // the declaration goes over the other link

        await broker.InjectAsync(FaultAction.Reset(), "fault:receive"); // it goes again on the next link
        Assert.Null(await EndOf(declaring));
        foreach (Task publish in waiting.Append(post))
            Assert.Null(await EndOf(new ValueTask(publish)));
        var order = new List<int>();
        await foreach (AmqpDelivery delivery in client.ReadAllAsync("own", cancellationToken: Cancelled))
        {
            order.Add(delivery.Body.Span[0]);
            if (order.Count == 51)
                break;
        }
        Assert.Equal(Enumerable.Range(0, 51), order);
    }

    [Fact]
    public async Task The_wait_ends_by_its_deadline_or_token_and_says_what_it_waited_for()
    {
        (AmqpTestBroker broker, AmqpClient client) = await SetUpAsync();
        broker.Script(FaultTrigger.QueueDeclare().ForQueue("own"), FaultAction.Ignore());
        Task declaring = client.DeclareAsync(OwnQueue, Cancelled);
        using var cancel = new CancellationTokenSource();
        Task cancelled = client.PublishAsync(ToFan, cancel.Token).AsTask();
        var late = Assert.IsType<AmqpNotSentException>(
            await EndOf(client.PublishAsync(ToFan, TimeSpan.FromSeconds(2), Cancelled))); // time to get in line
        Assert.Contains("to queue 'own' with key '' is still being declared", late.Message, StringComparison.Ordinal);
        await cancel.CancelAsync();
        Assert.IsAssignableFrom<OperationCanceledException>(await EndOf(new ValueTask(cancelled)));
        broker.ClearScripts();
        await broker.InjectAsync(FaultAction.Reset(), "fault:receive");
        Assert.Null(await EndOf(declaring));
        Assert.Equal(0, client.Status.Links[0].QueuedMessages);
    }

    [Fact]
    public async Task It_ends_at_once_when_the_entity_is_refused()
    {
        (AmqpTestBroker broker, AmqpClient client) = await SetUpAsync();
        broker.Script(FaultTrigger.OnMethod("exchange.declare").ForExchange("refused").Times(1),
            FaultAction.CloseChannel(403, "no"));
        broker.Script(FaultTrigger.QueueDeclare().ForQueue("after"), FaultAction.Ignore());
        Task declaring = client.DeclareAsync(new AmqpTopology().Exchange("refused", AmqpExchangeType.Fanout)
            .Queue("after"), Cancelled);
        var refused = Assert.IsType<AmqpRefusedException>(
            await EndOf(client.PublishAsync(AmqpMessage.ToExchange("refused", "", []), Cancelled)));
        Assert.Equal(404, refused.ReplyCode);
        Assert.False(declaring.IsCompleted);
        await client.DisposeAsync();
        Assert.NotNull(await EndOf(declaring));
    }

    [Fact]
    public async Task What_a_host_will_declare_is_waited_for_from_its_start_on()
    {
        AmqpTestBroker broker = await BrokerAsync();
        broker.Script(FaultTrigger.QueueDeclare(), FaultAction.AnswerLate(TimeSpan.FromMilliseconds(300)));
        var services = new ServiceCollection();
        services.AddLogging();
        services.AddSafeAmqp(options => options.Uri = broker.Uri.ToString())
            .WithTopologyTimeout(TimeSpan.Zero)
            .AddTopology(new AmqpTopology().Queue("first"))
            .AddTopology(new AmqpTopology().Queue("second").Exchange("fan", AmqpExchangeType.Fanout)
                .Bind("fan").ToQueue("second"));
        ServiceProvider provider = Own(services.BuildServiceProvider());
        IHostedService host = provider.GetServices<IHostedService>().Single();
        await host.StartAsync(Cancelled);
        IAmqpClient client = provider.GetRequiredService<IAmqpClient>();
        Task[] publishes = [client.PublishAsync(ToFan, Cancelled).AsTask(),
            client.PublishAsync(AmqpMessage.ToQueue("second", []), Cancelled).AsTask()];
        foreach (Task publish in publishes)
            Assert.Null(await EndOf(new ValueTask(publish)));
        await host.StopAsync(Cancelled);
    }

    [Fact]
    public async Task It_waits_for_a_hosts_topology_also_in_services_that_start_before()
    {
        AmqpTestBroker broker = await BrokerAsync();
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddHostedService<Publisher>();
        builder.Services.AddSafeAmqp(options => options.Uri = broker.Uri.ToString())
            .AddTopology(new AmqpTopology().Exchange("fan", AmqpExchangeType.Fanout)
                .Queue("late").Bind("fan").ToQueue("late"));
        using IHost host = builder.Build();
        await host.StartAsync(Cancelled); // its first service publishes before it has started
        IAmqpAdmin admin = host.Services.GetRequiredService<IAmqpClient>().Admin;
        AmqpQueueCounts late = await admin.CountAsync("late", Cancelled);
        Assert.Equal(1, late.Messages);
        await host.StopAsync(Cancelled);
    }

    private async Task<(AmqpTestBroker, AmqpClient)> SetUpAsync()
    {
        AmqpTestBroker broker = await BrokerAsync();
        AmqpClient client = NewClient(broker.Uri.ToString());
        await client.DeclareAsync(new AmqpTopology().Exchange("fan", AmqpExchangeType.Fanout)
            .Exchange("other", AmqpExchangeType.Fanout).Queue("elsewhere")
            .Bind("other").ToQueue("elsewhere"), Cancelled);
        await client.OpenAsync(Cancelled);
        return (broker, client);
    }

    private sealed class Publisher(IAmqpClient client) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
            => client.PublishAsync(ToFan, cancellationToken).AsTask();

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
