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

    private static IHost Build(string uri, TimeSpan? reconnectDelay = null)
    {
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddSafeAmqp(options =>
        {
            options.Uri = uri;
            if (reconnectDelay is { } delay)
                (options.ReconnectDelay, options.MaxReconnectDelay) = (delay, delay);
        });
        builder.Services.AddLogging().AddHealthChecks().AddSafeAmqp();
        return builder.Build();
    }

    private static async Task<HealthReportEntry> ReadyAsync(IHost host)
        => (await host.Services.GetRequiredService<HealthCheckService>()
            .CheckHealthAsync(Cancelled)).Entries["safeamqp"];

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
