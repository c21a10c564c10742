using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace SafeAmqp.Tests.Hosting;

public sealed class HealthTests
{
    private const int Patience = 20_000;

    private static readonly Dictionary<string, (AmqpLinkStatus Link, HealthStatus Ready, HealthStatus Live)> Table =
        new()
        {
            ["open"] = (Link(AmqpLinkState.Open), HealthStatus.Healthy, HealthStatus.Healthy),
            ["open with a live consumer"] = (
            Link(AmqpLinkState.Open, consumer: AmqpConsumerState.Live), HealthStatus.Healthy, HealthStatus.Healthy),
            ["open with a recovering consumer"] = (
            Link(AmqpLinkState.Open, consumer: AmqpConsumerState.Recovering),
            HealthStatus.Degraded,
            HealthStatus.Healthy),
            ["open with a starting consumer"] = (
            Link(AmqpLinkState.Open, consumer: AmqpConsumerState.Starting),
            HealthStatus.Degraded,
            HealthStatus.Healthy),
            ["open with a consumer that its user stops"] = (
            Link(AmqpLinkState.Open, consumer: AmqpConsumerState.Stopping), HealthStatus.Healthy, HealthStatus.Healthy),
            ["open with a consumer that a message stopped"] = (
            Link(AmqpLinkState.Open, consumer: AmqpConsumerState.Stopped),
            HealthStatus.Unhealthy,
            HealthStatus.Degraded),
            ["open with a dead queue that takes nothing"] = (
            Link(AmqpLinkState.Open) with
            {
                Consumers = [new AmqpConsumerStatus("orders", AmqpConsumerState.Live, 0, null)
                {
                    DeadLetterError = "queue 'orders.dead' took nothing: 403",
                }],
            },
            HealthStatus.Degraded,
            HealthStatus.Healthy),
            ["blocked by the broker"] = (
            Link(AmqpLinkState.Open) with { BlockedReason = "low on memory" },
            HealthStatus.Degraded,
            HealthStatus.Healthy),
            ["open with an entity missing"] = (
            Link(AmqpLinkState.Open) with { TopologyErrors = ["queue 'x': 406"] },
            HealthStatus.Degraded,
            HealthStatus.Healthy),
            ["not started"] = (Link(AmqpLinkState.Idle, epoch: 0), HealthStatus.Unhealthy, HealthStatus.Healthy),
            ["connecting for the first time"] = (
            Link(AmqpLinkState.Connecting, 1, 1), HealthStatus.Unhealthy, HealthStatus.Healthy),
            ["preparing for the first time"] = (
            Link(AmqpLinkState.Preparing, 3, 3), HealthStatus.Unhealthy, HealthStatus.Healthy),
            ["never reached"] = (Link(AmqpLinkState.Waiting, 40, 40), HealthStatus.Unhealthy, HealthStatus.Healthy),
            ["just lost"] = (Link(AmqpLinkState.Waiting, 1, 0), HealthStatus.Degraded, HealthStatus.Healthy),
            ["at the first attempt to recover"] = (
            Link(AmqpLinkState.Connecting, 2, 1), HealthStatus.Degraded, HealthStatus.Healthy),
            ["at the fifth attempt to recover"] = (
            Link(AmqpLinkState.Preparing, 6, 5), HealthStatus.Degraded, HealthStatus.Healthy),
            ["at the sixth attempt to recover"] = (
            Link(AmqpLinkState.Connecting, 7, 6), HealthStatus.Unhealthy, HealthStatus.Healthy),
            ["waiting after many attempts"] = (
            Link(AmqpLinkState.Waiting, 30, 20), HealthStatus.Unhealthy, HealthStatus.Healthy),
            ["closing"] = (Link(AmqpLinkState.Closing), HealthStatus.Unhealthy, HealthStatus.Healthy),
            ["closed by itself"] = (Link(AmqpLinkState.Closed), HealthStatus.Unhealthy, HealthStatus.Unhealthy),
        };

    public static TheoryData<string> States => [.. Table.Keys];

    [Theory(Timeout = Patience)]
    [MemberData(nameof(States))]
    public async Task A_links_state_decides(string state)
    {
        var client = new FakeClient { State = new([FakeClient.Link("send", AmqpLinkState.Open), Table[state].Link]) };

        var report = await CheckAsync(client);

        Assert.Equal(Table[state].Ready, report.Entries["safeamqp"].Status);
        Assert.Equal(Table[state].Live, report.Entries["safeamqp-live"].Status);
    }

    [Fact(Timeout = Patience)]
    public async Task A_starved_thread_pool_degrades_and_is_no_reason_to_restart()
    {
        var client = new FakeClient
        {
            State = new(
                [FakeClient.Link("send", AmqpLinkState.Open)])
            { ThreadPoolStarvedFor = TimeSpan.FromSeconds(3) }
        };

        var report = await CheckAsync(client);

        Assert.Equal(
            (HealthStatus.Degraded, HealthStatus.Healthy),
            (report.Entries["safeamqp"].Status, report.Entries["safeamqp-live"].Status));
        Assert.Contains(
            "thread pool starved for 3.0 s", report.Entries["safeamqp"].Description, StringComparison.Ordinal);
        Assert.Equal(3.0, report.Entries["safeamqp"].Data["threadPoolStarvedSeconds"]);
    }

    [Fact(Timeout = Patience)]
    public async Task The_report_says_in_words_and_in_data_what_is_wrong()
    {
        var client = new FakeClient
        {
            State = new([Table["waiting after many attempts"].Link with
            {
                Host = "broker-1:5672",
                LastError = "connection refused"
            }]),
        };

        var entry = (await CheckAsync(client)).Entries["safeamqp"];

        Assert.Contains(client.State.ToString(), entry.Description, StringComparison.Ordinal);
        Assert.Equal("Waiting", entry.Data["receive.state"]);
        Assert.Equal("broker-1:5672", entry.Data["receive.host"]);
        Assert.Equal("connection refused", entry.Data["receive.lastError"]);
        Assert.Equal(20, entry.Data["receive.recoveryAttempt"]);
        Assert.Equal(["ready"], entry.Tags);
    }

    [Theory(Timeout = Patience)]
    [InlineData("blocked by the broker", "low on memory")]
    [InlineData("open with an entity missing", "queue 'x': 406")]
    [InlineData("open with a recovering consumer", "consumer of 'orders' recovering")]
    [InlineData("open with a starting consumer", "consumer of 'orders' starting")]
    [InlineData("open with a consumer that a message stopped", "consumer of 'orders' stopped")]
    [InlineData("open with a dead queue that takes nothing", "queue 'orders.dead' took nothing: 403")]
    public async Task Whatever_makes_it_less_than_healthy_is_in_its_text(string state, string cause)
    {
        var client = new FakeClient { State = new([FakeClient.Link("send", AmqpLinkState.Open), Table[state].Link]) };

        var report = await CheckAsync(client);

        Assert.Contains(cause, report.Entries["safeamqp"].Description, StringComparison.Ordinal);
        Assert.Contains(cause, report.Entries["safeamqp-live"].Description, StringComparison.Ordinal);
    }

    [Fact(Timeout = Patience)]
    public async Task A_consumer_that_does_not_stand_yet_degrades()
    {
        await using var host = TestHost.Build(amqp =>
        {
            amqp.AddConsumer("missing", (_, _) => new(AmqpSettlement.Ack));
            amqp.Services.AddLogging().AddHealthChecks().AddSafeAmqp();
        });
        host.Client.Behave = (entry, _) =>
            entry == "consume missing" ? throw new AmqpTopologyException("404", "queue") : Task.CompletedTask;
        await host.StartAsync();
        await host.Time.WhenArmedAsync(TimeSpan.FromSeconds(1));

        var report = await host.Services.GetRequiredService<HealthCheckService>()
            .CheckHealthAsync(TestContext.Current.CancellationToken);

        Assert.Equal(HealthStatus.Degraded, report.Status);
        Assert.Contains(
            "consumer of queue 'missing' is not ready: 404",
            report.Entries["safeamqp"].Description,
            StringComparison.Ordinal);
    }

    [Fact(Timeout = Patience)]
    public async Task A_disposed_client_is_not_ready_and_no_reason_to_restart()
    {
        var client = new FakeClient();
        await client.DisposeAsync();

        var report = await CheckAsync(client);

        Assert.Equal(HealthStatus.Unhealthy, report.Entries["safeamqp"].Status);
        Assert.Equal(HealthStatus.Healthy, report.Entries["safeamqp-live"].Status);
    }

    [Fact(Timeout = Patience)]
    public async Task Links_that_are_closed_because_the_host_stops_are_no_reason_to_restart()
    {
        await using var host = TestHost.Build(
            amqp => amqp.Services.AddLogging().AddHealthChecks().AddSafeAmqpLiveness());
        await host.StartAsync();
        host.Client.State = new([Table["closed by itself"].Link]);
        var checks = host.Services.GetRequiredService<HealthCheckService>();
        Assert.Equal(
            HealthStatus.Unhealthy, (await checks.CheckHealthAsync(TestContext.Current.CancellationToken)).Status);

        foreach (var hosted in host.Services.GetServices<Microsoft.Extensions.Hosting.IHostedService>()
            .OfType<SafeAmqp.Hosting.AmqpHostedService>())
            await hosted.StoppingAsync(CancellationToken.None);

        Assert.Equal(
            HealthStatus.Healthy, (await checks.CheckHealthAsync(TestContext.Current.CancellationToken)).Status);
    }

    [Fact(Timeout = Patience)]
    public async Task A_check_can_be_named_tagged_softened_and_bound_to_a_key()
    {
        var services = new ServiceCollection();
        services.AddKeyedSingleton<IAmqpClient>(
            "billing", new FakeClient { State = new([Table["never reached"].Link]) });
        services.AddLogging().AddHealthChecks()
            .AddSafeAmqp("mq", "billing", HealthStatus.Degraded, ["a", "b"], TimeSpan.FromSeconds(1));
        await using var provider = services.BuildServiceProvider();

        var report = await provider.GetRequiredService<HealthCheckService>()
            .CheckHealthAsync(TestContext.Current.CancellationToken);

        Assert.Equal(HealthStatus.Degraded, report.Entries["mq"].Status);
        Assert.Equal(["a", "b"], report.Entries["mq"].Tags);
    }

    private static AmqpLinkStatus Link(
        AmqpLinkState state, int epoch = 1, int attempt = 0, AmqpConsumerState? consumer = null) => new()
        {
            Name = "receive",
            State = state,
            Epoch = epoch,
            RecoveryAttempt = attempt,
            Consumers = consumer is { } consumerState ? [new AmqpConsumerStatus("orders", consumerState, 0, null)] : [],
        };

    private static async Task<HealthReport> CheckAsync(IAmqpClient client)
    {
        var services = new ServiceCollection();
        services.AddSingleton(client);
        services.AddLogging().AddHealthChecks().AddSafeAmqp().AddSafeAmqpLiveness();
        await using var provider = services.BuildServiceProvider();
        return await provider.GetRequiredService<HealthCheckService>()
            .CheckHealthAsync(TestContext.Current.CancellationToken);
    }
}
