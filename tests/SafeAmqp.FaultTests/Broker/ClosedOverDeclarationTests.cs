using SafeAmqp.Testing;

namespace SafeAmqp.FaultTests.Broker;

// A declaration over which the broker closes the whole connection is refused by name, and nothing else is.
public sealed class ClosedOverDeclarationTests : FaultCase
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(5); // within a second where the machine has time

    /// <summary>
    /// How the broker closes: naming the method, as 3.10 does over a type, or none, as when it crashed.
    /// </summary>
    public static TheoryData<bool, AmqpConnectionLayout> Ways => new()
    {
        { true, AmqpConnectionLayout.Separate }, { true, AmqpConnectionLayout.Shared },
        { false, AmqpConnectionLayout.Separate }, { false, AmqpConnectionLayout.Shared },
    };

    [Theory, MemberData(nameof(Ways))]
    public async Task It_is_refused_at_once_and_by_name_while_publishes_consumers_and_declarations_go_on(
        bool namesMethod, AmqpConnectionLayout layout)
    {
        AmqpTestBroker broker = await BrokerAsync(new AmqpTestBrokerOptions { Version = RabbitMqVersion.RabbitMq310 });
        if (!namesMethod)
        {
            broker.Script(FaultTrigger.OnMethod("exchange.declare").ForExchange("bad"),
                FaultAction.CloseConnection(541, "crashed"));
        }
        var log = new Lines();
        AmqpClient client = NewClient(broker.Uri.ToString(), options =>
        {
            options.Layout = layout;
            options.InFlight = AmqpInFlightPolicy.Republish;
            options.LoggerFactory = log;
        });
        await client.DeclareAsync(new AmqpTopology().Queue("work"), Cancelled);
        int received = 0, published = 0;
        await client.ConsumeAsync("work", (_, _) =>
        {
            Interlocked.Increment(ref received);
            return ValueTask.FromResult(AmqpSettlement.Ack);
        }, cancellationToken: Cancelled);
        using var stop = new CancellationTokenSource();
        var publishing = Task.Run(async () =>
        {
            for (; !stop.IsCancellationRequested; published++)
                await client.PublishAsync(AmqpMessage.ToQueue("work", []), Cancelled);
        }, Cancelled);
        await UntilAsync(() => published > 10);
        int epochs = client.Status.Links.Sum(link => link.Epoch);

        long start = TimeProvider.System.GetTimestamp();
        Task bad = client.DeclareAsync(new AmqpTopology()
            .Exchange("bad", "x-missing").Bind("bad").ToQueue("work").Queue("beside"), Cancelled);
        Task good = client.DeclareAsync(new AmqpTopology().Queue("good"), Cancelled);
        var error = Assert.IsType<AmqpTopologyException>(await EndOf(bad));
        TimeSpan took = TimeProvider.System.GetElapsedTime(start);
        Figure($"{took.TotalMilliseconds:0} ms: {error.Message}");
        Assert.Null(await EndOf(good));

        Assert.Equal(("exchange 'bad'", namesMethod ? 503 : 541), (error.Entity, error.ReplyCode));
        Assert.Contains("over which it closed the connection", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("binding", error.Message, StringComparison.Ordinal);
        Assert.True(took < Soon, $"It took {took}.");
        Assert.Equal(2, await broker.LookAsync(view => view.HasQueue("beside") && view.HasQueue("good") ? 2 : 0));
        int before = published;
        await UntilAsync(() => published > before + 10 && received > before + 10);
        Assert.Equal(epochs + (namesMethod ? 1 : 2), client.Status.Links.Sum(link => link.Epoch));
        Assert.Single(
            log.All, line => line.Contains("over the declaration of exchange 'bad'", StringComparison.Ordinal));
        Assert.All(client.Status.Links, link => Assert.Empty(link.TopologyErrors));
        await stop.CancelAsync();
        Assert.Null(await EndOf(new ValueTask(publishing)));
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task What_ends_a_recovery_is_left_out_until_it_is_declared_again_and_its_bindings_come_back_with_it(
        bool exchange)
    {
        AmqpTestBroker broker = await BrokerAsync();
        AmqpClient client = NewClient(broker.Uri.ToString());
        await client.OpenAsync(Cancelled);
        AmqpTopology topology = new AmqpTopology().Queue("first").Exchange("fan", AmqpExchangeType.Fanout)
            .Queue("work").Bind("fan").ToQueue("work").Queue("last");
        await client.DeclareAsync(topology, Cancelled);
        broker.Script(exchange ? FaultTrigger.OnMethod("exchange.declare").ForExchange("fan")
            : FaultTrigger.QueueDeclare().ForQueue("work"), FaultAction.CloseConnection(541, "crashed"));
        await broker.StopAsync(Cancelled);
        foreach (string queue in (string[])["first", "work", "last"])
            broker.DeleteQueue(queue);
        await broker.StartAgainAsync(Cancelled);

        string name = exchange ? "exchange 'fan'" : "queue 'work'";
        await UntilAsync(() => client.Status.Links.All(link => link is { Epoch: > 1, State: AmqpLinkState.Open }));
        string told = Assert.Single(client.Status.Links.SelectMany(link => link.TopologyErrors));
        Assert.StartsWith($"{name}: 541 INTERNAL_ERROR", told, StringComparison.Ordinal);
        Assert.Null(await EndOf(client.PublishAsync(AmqpMessage.ToQueue("last", []), Cancelled)));
        Assert.Null(await EndOf(client.PublishAsync(AmqpMessage.ToQueue("first", []), Cancelled)));
        int epochs = client.Status.Links.Sum(link => link.Epoch);

        broker.ClearScripts();
        await client.DeclareAsync(exchange ? new AmqpTopology().Exchange("fan", AmqpExchangeType.Fanout)
            : new AmqpTopology().Queue("work"), Cancelled);
        Assert.All(client.Status.Links, link => Assert.Empty(link.TopologyErrors));
        while (await EndOf(client.PublishAsync(AmqpMessage.ToExchange("fan", "", []), Cancelled)) is { } end)
            Assert.IsType<AmqpReturnedException>(end); // until its binding is back
        Assert.Equal(epochs, client.Status.Links.Sum(link => link.Epoch));
    }
}
