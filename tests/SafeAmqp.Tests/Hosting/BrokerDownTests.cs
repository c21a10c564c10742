using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;

namespace SafeAmqp.Tests.Hosting;

/// <summary>A host with the real client, and nothing that listens at the broker's address.</summary>
public sealed class BrokerDownTests
{
    private const int Patience = 30_000;

    // Nobody listens there; a port that was free a moment ago may be another test's by now
    private const int ClosedPort = 1;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact(Timeout = Patience)]
    public async Task The_host_starts_is_alive_but_not_ready_says_why_and_stops()
    {
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddSafeAmqp(options => options.Uri = $"amqp://u:hidden@127.0.0.1:{ClosedPort}/")
            .AddTopology(new AmqpTopology().Queue("orders"))
            .AddConsumer("orders", (_, _) => new(AmqpSettlement.Ack));
        builder.Services.AddLogging().AddHealthChecks().AddSafeAmqp().AddSafeAmqpLiveness();
        using var host = builder.Build();

        await host.StartAsync(Token);
        var client = host.Services.GetRequiredService<IAmqpClient>();
        // the first attempt is a thread's and a socket's, so real time passes
        while (client.Status.Links.Any(link => link.LastError is null))
            await Task.Delay(5, Token);

        var report = await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync(Token);
        var ready = report.Entries["safeamqp"];
        Assert.Equal(HealthStatus.Unhealthy, ready.Status);
        Assert.Equal(HealthStatus.Healthy, report.Entries["safeamqp-live"].Status);
        Assert.Contains($"127.0.0.1:{ClosedPort}", ready.Description, StringComparison.Ordinal);
        Assert.Contains("consumer of queue 'orders' is not started yet", ready.Description, StringComparison.Ordinal);
        Assert.DoesNotContain(
            "hidden", ready.Description + string.Join(",", ready.Data.Values), StringComparison.Ordinal);

        await host.StopAsync(Token);
    }

    [Fact(Timeout = Patience)]
    public async Task Fail_fast_stops_the_start_with_the_reason()
    {
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddSafeAmqp(options =>
        {
            options.Uri = $"amqp://u:hidden@127.0.0.1:{ClosedPort}/";
            options.FirstConnect = AmqpFirstConnect.FailFast;
        });
        using var host = builder.Build();

        await Assert.ThrowsAsync<AmqpConnectException>(() => host.StartAsync(Token));
    }

    [Fact(Timeout = Patience)]
    public async Task A_client_that_its_user_disposed_is_not_ready_and_no_reason_to_restart()
    {
        var services = new ServiceCollection();
        services.AddSafeAmqp(options => options.Uri = $"amqp://u:hidden@127.0.0.1:{ClosedPort}/");
        services.AddLogging().AddHealthChecks().AddSafeAmqp().AddSafeAmqpLiveness();
        await using var provider = services.BuildServiceProvider();

        await provider.GetRequiredService<IAmqpClient>().DisposeAsync();
        var report = await provider.GetRequiredService<HealthCheckService>().CheckHealthAsync(Token);

        Assert.Equal(HealthStatus.Unhealthy, report.Entries["safeamqp"].Status);
        Assert.Equal(HealthStatus.Healthy, report.Entries["safeamqp-live"].Status);
    }
}
