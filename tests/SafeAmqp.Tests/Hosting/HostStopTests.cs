using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace SafeAmqp.Tests.Hosting;

public sealed class HostStopTests
{
    private const int Patience = 20_000;

    private static readonly AmqpHandler Ack = (_, _) => new(AmqpSettlement.Ack);

    [Fact(Timeout = Patience)]
    public async Task Consumers_and_servers_stop_together_and_the_client_is_disposed_after_them()
    {
        var drained = new TaskCompletionSource();
        await using var host = await StartedAsync(amqp => amqp.AddConsumer("one", Ack).AddConsumer("two", Ack)
            .AddServer("three", (request, _) => new(request.Message)), "consume one", "consume two", "serve three");
        host.Client.Behave = (entry, _) =>
            entry.StartsWith("stop", StringComparison.Ordinal) ? drained.Task : Task.CompletedTask;

        var stopping = host.StopAsync();
        await Task.WhenAll(
            host.Client.SeenAsync("stop one"), host.Client.SeenAsync("stop two"), host.Client.SeenAsync("stop three"));
        Assert.False(host.Client.IsDisposed);

        drained.SetResult();
        await stopping;
        Assert.Equal("dispose", host.Client.Journal[^1]);
    }

    [Fact(Timeout = Patience)]
    public async Task Consumers_stop_before_any_hosted_service_and_the_client_lives_until_all_have_stopped()
    {
        FakeClient? client = null;
        await using var host = await StartedAsync(amqp =>
        {
            // Registered after the client: the host stops it first. It still publishes.
            amqp.AddConsumer("orders", Ack).Services.AddSingleton<IHostedService>(_ => new Farewell(() => client!));
        }, "consume orders");
        client = host.Client;

        await host.StopAsync();

        Assert.Equal(["consume orders", "stop orders", "publish farewell", "dispose"], host.Client.Journal);
    }

    [Fact(Timeout = Patience)]
    public async Task A_handler_that_hangs_costs_the_drain_time_and_no_more()
    {
        await using var host = await StartedAsync(
            amqp => amqp.AddConsumer("stuck", Ack).WithDrainTimeout(TimeSpan.FromSeconds(7)), "consume stuck");
        host.Client.Behave = (entry, _) => entry == "stop stuck" ? new TaskCompletionSource().Task : Task.CompletedTask;

        var stopping = host.StopAsync();
        await host.Client.SeenAsync("stop stuck");
        host.Time.Advance(TimeSpan.FromSeconds(6));
        Assert.False(stopping.IsCompleted);
        Assert.False(host.Client.IsDisposed);

        host.Time.Advance(TimeSpan.FromSeconds(1));
        await stopping;
        Assert.True(host.Client.IsDisposed);
    }

    [Fact(Timeout = Patience)]
    public async Task Nothing_takes_longer_than_the_hosts_token_allows()
    {
        await using var host = await StartedAsync(amqp => amqp.AddConsumer("stuck", Ack), "consume stuck");
        host.Client.Behave = (_, _) => new TaskCompletionSource().Task;
        using var patience = new CancellationTokenSource();

        var stopping = host.StopWithinAsync(patience.Token);
        await host.Client.SeenAsync("stop stuck");
        await patience.CancelAsync();

        await stopping;
        Assert.Equal(["consume stuck", "stop stuck", "dispose"], host.Client.Journal);
        host.Client.Behave = (_, _) => Task.CompletedTask;
    }

    [Fact(Timeout = Patience)]
    public async Task A_consumer_whose_stop_fails_does_not_keep_the_others_or_the_client_from_ending()
    {
        await using var host = await StartedAsync(
            amqp => amqp.AddConsumer("bad", Ack).AddConsumer("good", Ack), "consume bad", "consume good");
        host.Client.Behave = (entry, _) =>
            entry == "stop bad" ? throw new InvalidOperationException("broken") : Task.CompletedTask;

        await host.StopAsync();

        Assert.Contains("stop good", host.Client.Journal);
        Assert.Equal("dispose", host.Client.Journal[^1]);
    }

    [Fact(Timeout = Patience)]
    public async Task Stopping_ends_the_waits_between_attempts()
    {
        await using var host = TestHost.Build(amqp => amqp.AddConsumer("missing", Ack));
        host.Client.Behave = (entry, _) =>
            entry == "consume missing" ? throw new AmqpTopologyException("404", "queue") : Task.CompletedTask;
        await host.StartAsync();
        await host.Time.WhenArmedAsync(TimeSpan.FromSeconds(1));

        await host.StopAsync();
        host.Time.Advance(TimeSpan.FromHours(1));

        Assert.Equal(["consume missing", "dispose"], host.Client.Journal);
    }

    [Fact(Timeout = Patience)]
    public async Task A_host_whose_start_failed_is_cleaned_up_by_its_container()
    {
        var host = TestHost.Build(amqp => amqp.AddTopology(new AmqpTopology().Queue("orders"))
            .Services.AddSingleton<IHostedService, FailsToStart>());

        await Assert.ThrowsAsync<InvalidOperationException>(() => host.StartAsync());
        await host.DisposeAsync();

        Assert.Equal("dispose", host.Client.Journal[^1]);
    }

    private static async Task<TestHost> StartedAsync(Action<SafeAmqpBuilder> build, params string[] entries)
    {
        var host = TestHost.Build(build);
        await host.StartAsync();
        await Task.WhenAll(entries.Select(entry => host.Client.SeenAsync(entry)));
        return host;
    }

    private sealed class Farewell(Func<IAmqpClient> client) : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken)
            => client().PublishAsync(AmqpMessage.ToQueue("farewell", []), cancellationToken).AsTask();
    }

    private sealed class FailsToStart : IHostedService
    {
        public Task StartAsync(CancellationToken cancellationToken)
            => throw new InvalidOperationException("another service failed");

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
