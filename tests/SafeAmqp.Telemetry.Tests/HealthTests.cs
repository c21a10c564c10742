using System.Diagnostics.Tracing;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;

namespace SafeAmqp.Telemetry.Tests;

public sealed class HealthTests : TelemetryTest
{
    [Fact]
    public async Task A_host_whose_broker_is_down_starts_is_not_ready_and_says_why_and_recovers_by_itself()
    {
        string uri = Broker.Uri.ToString();
        await Broker.KillAsync(Cancelled);
        using IHost host = Build(uri);
        await host.StartAsync(Cancelled);
        var client = host.Services.GetRequiredService<IAmqpClient>();
        await UntilAsync(() => client.Status.Links.All(link => link.LastError is not null));

        HealthReportEntry ready = await ReadyAsync(host);
        Assert.Equal(HealthStatus.Unhealthy, ready.Status);
        Assert.Contains("ConnectionRefused", ready.Description, StringComparison.Ordinal);
        Assert.Contains("ConnectionRefused", (string)ready.Data["send.lastError"], StringComparison.Ordinal);

        await Broker.StartAgainAsync(Cancelled);
        await UntilAsync(() => client.Status.IsReady);
        Assert.Equal(HealthStatus.Healthy, (await ReadyAsync(host)).Status);
        await host.StopAsync(Cancelled);
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task A_thousand_health_calls_open_no_socket_and_send_nothing(bool brokerIsUp)
    {
        string uri = Broker.Uri.ToString();
        if (!brokerIsUp)
            await Broker.KillAsync(Cancelled);
        using IHost host = Build(uri, TimeSpan.FromMinutes(1)); // the next attempt of its own is far away
        await host.StartAsync(Cancelled);
        var client = host.Services.GetRequiredService<IAmqpClient>();
        await UntilAsync(() => brokerIsUp ? client.Status.IsReady : client.Status.Links.All(
            link => link.State == AmqpLinkState.Waiting && link.NextAttemptIn > TimeSpan.FromSeconds(3)));
        using var connects = new Connects();
        Assert.True(connects.IsOn);
        int[] epochs = [.. client.Status.Links.Select(link => link.Epoch)];
        for (int i = 0; i < 1000; i++)
            Assert.Equal(brokerIsUp ? HealthStatus.Healthy : HealthStatus.Unhealthy, (await ReadyAsync(host)).Status);
        // its own, should all this have taken so long
        int attempts = client.Status.Links.Sum(link => link.Epoch) - epochs.Sum();
        Assert.InRange(connects.Count, 0, attempts);
        Assert.True(attempts <= 2);
        await host.StopAsync(Cancelled);
    }

    [Fact]
    public async Task One_of_two_consumers_that_a_message_stopped_is_named_with_what_can_be_done_until_it_is_disposed()
    {
        using IHost host = Build(Broker.Uri.ToString(), configure: options => options.MaxMessageSize = 1 << 10);
        await host.StartAsync(Cancelled);
        var client = host.Services.GetRequiredService<IAmqpClient>();
        await UntilAsync(() => client.Status.IsReady); // a verb waits for its own link alone
        await client.DeclareAsync(new AmqpTopology().Queue("large").Queue("other"), Cancelled);
        await using AmqpClient publisher = await AmqpClient.ConnectAsync(Broker.Uri, Cancelled);
        await publisher.PublishAsync(AmqpMessage.ToQueue("large", new byte[1025]), Cancelled);
        await client.ConsumeAsync("other", AckAsync, cancellationToken: Cancelled);
        AmqpSubscription stopped = await client.ConsumeAsync("large", AckAsync, cancellationToken: Cancelled);
        await UntilAsync(() => stopped.Error is not null);

        HealthReportEntry ready = await ReadyAsync(host), live = await ReadyAsync(host, "safeamqp-live");
        Assert.Equal((HealthStatus.Unhealthy, HealthStatus.Degraded), (ready.Status, live.Status));
        foreach (HealthReportEntry entry in (HealthReportEntry[])[ready, live])
        {
            Assert.Contains("consumer of 'large' stopped", entry.Description, StringComparison.Ordinal);
            Assert.Contains("MaxMessageSize is 1024", entry.Description, StringComparison.Ordinal);
            Assert.Contains("Consume it with a client whose MaxMessageSize is at least 1025", entry.Description,
                StringComparison.Ordinal);
            Assert.DoesNotContain("'other'", entry.Description, StringComparison.Ordinal);
        }

        await stopped.DisposeAsync();
        Assert.Equal((HealthStatus.Healthy, HealthStatus.Healthy),
            ((await ReadyAsync(host)).Status, (await ReadyAsync(host, "safeamqp-live")).Status));
        await host.StopAsync(Cancelled);
    }

    [Fact]
    public async Task A_server_whose_queue_is_gone_degrades_until_it_is_back_and_the_text_says_which()
    {
        using IHost host = Build(Broker.Uri.ToString());
        await host.StartAsync(Cancelled);
        var client = host.Services.GetRequiredService<IAmqpClient>();
        await UntilAsync(() => client.Status.IsReady); // a verb waits for its own link alone
        await using AmqpClient other = await AmqpClient.ConnectAsync(Broker.Uri, Cancelled);
        await other.DeclareAsync(new AmqpTopology().Queue("requests"), Cancelled); // not by the client: it stays away
        await client.ServeAsync("requests", (_, _) => new(new AmqpMessage()), cancellationToken: Cancelled);
        Assert.Equal(HealthStatus.Healthy, (await ReadyAsync(host)).Status);

        await other.Admin.DeleteQueueAsync("requests", cancellationToken: Cancelled);
        await UntilAsync(() => !client.Status.IsReady);
        HealthReportEntry ready = await ReadyAsync(host);
        Assert.Equal(HealthStatus.Degraded, ready.Status);
        Assert.Contains("consumer of 'requests' recovering", ready.Description, StringComparison.Ordinal);
        Assert.Contains("'requests'", ready.Description, StringComparison.Ordinal);
        Assert.Equal(HealthStatus.Healthy, (await ReadyAsync(host, "safeamqp-live")).Status);

        await other.DeclareAsync(new AmqpTopology().Queue("requests"), Cancelled);
        await UntilAsync(() => client.Status.IsReady);
        Assert.Equal(HealthStatus.Healthy, (await ReadyAsync(host)).Status);
        await host.StopAsync(Cancelled);
    }

    [Fact]
    public async Task A_consumer_that_its_user_stops_is_no_reason_to_take_the_service_out()
    {
        using IHost host = Build(Broker.Uri.ToString());
        await host.StartAsync(Cancelled);
        var client = host.Services.GetRequiredService<IAmqpClient>();
        await UntilAsync(() => client.Status.IsReady); // a verb waits for its own link alone
        await client.DeclareAsync(new AmqpTopology().Queue("q"), Cancelled);
        await client.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled);
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var end = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        AmqpSubscription consumer = await client.ConsumeAsync("q", async (_, _) =>
        {
            begun.SetResult();
            await end.Task;
            return AmqpSettlement.Ack;
        }, cancellationToken: Cancelled);
        await begun.Task.WaitAsync(Cancelled);
        Task stopped = consumer.DisposeAsync().AsTask();
        await UntilAsync(() => consumer.State == AmqpConsumerState.Stopping);

        Assert.True(client.Status.IsReady);
        Assert.Equal(HealthStatus.Healthy, (await ReadyAsync(host)).Status);
        end.SetResult();
        await stopped;
        await host.StopAsync(Cancelled);
    }

    [Fact]
    public async Task What_could_not_be_declared_again_is_in_the_text()
    {
        using IHost host = Build(Broker.Uri.ToString());
        await host.StartAsync(Cancelled);
        var client = host.Services.GetRequiredService<IAmqpClient>();
        await client.DeclareAsync(
            new AmqpTopology().With(new AmqpQueue { Name = "changed", Durable = false }), Cancelled);
        await using AmqpClient other = await AmqpClient.ConnectAsync(Broker.Uri, Cancelled);
        await other.Admin.DeleteQueueAsync("changed", cancellationToken: Cancelled);
        await other.DeclareAsync(new AmqpTopology().Queue("changed"), Cancelled);
        foreach (string link in (string[])["send", "receive"])
            await Broker.InjectAsync(Testing.FaultAction.Drop(), $"shop:{link}");
        await UntilAsync(() => client.Status.Links.All(one => one is { Epoch: > 1, State: AmqpLinkState.Open }));

        HealthReportEntry ready = await ReadyAsync(host);
        Assert.Equal(HealthStatus.Degraded, ready.Status);
        Assert.Contains("queue 'changed'", ready.Description, StringComparison.Ordinal);
        Assert.Contains("406", ready.Description, StringComparison.Ordinal);
        await host.StopAsync(Cancelled);
    }

    private static ValueTask<AmqpSettlement> AckAsync(AmqpDelivery delivery, CancellationToken lost)
        => new(AmqpSettlement.Ack);

    private static IHost Build(string uri, TimeSpan? reconnectDelay = null,
        Action<AmqpClientOptions>? configure = null)
    {
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddSafeAmqp(options =>
        {
            (options.Uri, options.ClientName) = (uri, "shop");
            configure?.Invoke(options);
            if (reconnectDelay is { } delay)
                (options.ReconnectDelay, options.MaxReconnectDelay) = (delay, delay);
        });
        builder.Services.AddLogging().AddHealthChecks().AddSafeAmqp().AddSafeAmqpLiveness();
        return builder.Build();
    }

    private static async Task<HealthReportEntry> ReadyAsync(IHost host, string check = "safeamqp")
        => (await host.Services.GetRequiredService<HealthCheckService>()
            .CheckHealthAsync(Cancelled)).Entries[check];

    /// <summary>Counts the connections that this process begins, by the runtime's own events.</summary>
    private sealed class Connects : EventListener
    {
        private int _count;

        internal bool IsOn { get; private set; }

        internal int Count => Volatile.Read(ref _count);

        protected override void OnEventSourceCreated(EventSource eventSource)
        {
            if (eventSource.Name != "System.Net.Sockets")
                return;
            EnableEvents(eventSource, EventLevel.Informational);
            IsOn = true;
        }

        protected override void OnEventWritten(EventWrittenEventArgs eventData)
        {
            if (eventData.EventName == "ConnectStart")
                Interlocked.Increment(ref _count);
        }
    }
}
