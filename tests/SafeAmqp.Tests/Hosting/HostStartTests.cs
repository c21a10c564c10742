using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using SafeAmqp.Hosting;

namespace SafeAmqp.Tests.Hosting;

public sealed class HostStartTests
{
    private const int Patience = 20_000;

    [Fact(Timeout = Patience)]
    public async Task Topologies_are_tried_in_order_and_before_any_consumer_starts()
    {
        await using var host = TestHost.Build(amqp => amqp
            .AddConsumer("orders", (_, _) => new(AmqpSettlement.Ack))
            .AddTopology(new AmqpTopology().Exchange("first", AmqpExchangeType.Fanout))
            .AddTopology(_ => new AmqpTopology().Queue("second")));

        await host.StartAsync();
        await host.Client.SeenAsync("consume orders");

        Assert.Equal(["declare exchange 'first'", "declare queue 'second'", "consume orders"], host.Client.Journal);
    }

    [Fact(Timeout = Patience)]
    public async Task The_host_waits_for_its_topology_and_starts_although_the_broker_never_answers()
    {
        var log = new CapturedLog();
        await using var host = TestHost.Build(
            amqp => amqp
                .AddTopology(new AmqpTopology().Queue("orders"))
                .AddConsumer("orders", (_, _) => new(AmqpSettlement.Ack)),
            options => options.LoggerFactory = LoggerFactory.Create(logging => logging.AddProvider(log)));
        host.Client.Behave = (entry, stop) =>
            entry == "dispose" ? Task.CompletedTask : Task.Delay(Timeout.InfiniteTimeSpan, host.Time, stop);

        Task starting = host.StartAsync();
        await host.Time.WhenArmedAsync(TimeSpan.FromSeconds(10));
        Assert.False(starting.IsCompleted);
        host.Time.Advance(TimeSpan.FromSeconds(10));
        await starting;

        Assert.Contains(log.Lines, line => line is (604, LogLevel.Warning, _));
        await host.Client.SeenAsync("declare queue 'orders'");
        await host.StopAsync();
        Assert.Equal(["declare queue 'orders'", "dispose"], host.Client.Journal);
    }

    [Theory(Timeout = Patience), InlineData(false), InlineData(true)]
    public async Task A_host_that_is_stopped_while_it_waits_for_its_topology_logs_no_error(bool connection)
    {
        using var log = new CapturedLog();
        await using var host = TestHost.Build(amqp =>
        {
            amqp.AddTopology(new AmqpTopology().Queue("orders")).WaitForConnection(connection);
            amqp.Services.AddLogging(logging => logging.AddProvider(log));
        });
        host.Client.Behave = (entry, stop) =>
            entry == "dispose" ? Task.CompletedTask : Task.Delay(Timeout.InfiniteTimeSpan, host.Time, stop);

        Task starting = host.StartAsync();
        await host.Client.SeenAsync("declare queue 'orders'");
        host.Services.GetRequiredService<IHostApplicationLifetime>().StopApplication();
        await starting.ContinueWith(_ => { }, TaskScheduler.Default); // whatever the host makes of it
        await host.StopAsync();

        Assert.DoesNotContain(log.Lines, line => line.Level >= LogLevel.Error);
        Assert.Equal(["declare queue 'orders'", "dispose"], host.Client.Journal);
    }

    [Theory(Timeout = Patience)]
    [InlineData("declare queue 'orders'", false)]
    [InlineData("consume orders", false)]
    [InlineData("consume orders", true)]
    public async Task What_can_never_succeed_fails_the_start_or_stops_the_host(string what, bool later)
    {
        using var log = new CapturedLog();
        await using var host = TestHost.Build(amqp =>
        {
            amqp.AddTopology(new AmqpTopology().Queue("orders"))
                .AddConsumer("orders", (_, _) => new(AmqpSettlement.Ack))
                .AddConsumer("others", (_, _) => new(AmqpSettlement.Ack));
            amqp.Services.AddLogging(logging => logging.AddProvider(log));
        });
        var found = new TaskCompletionSource();
        host.Client.Behave = async (entry, _) =>
        {
            if (entry == "consume others")
                throw new AmqpTopologyException("no queue 'others'", "queue 'others'"); // tried again for ever
            if (entry != what)
                return;
            if (later)
                await found.Task;
            throw new ArgumentException("It is no stream.");
        };
        CancellationToken stopping = host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
        Task starting = host.StartAsync();
        if (later)
        {
            await starting;
            Assert.False(stopping.IsCancellationRequested);
            found.SetResult();
        }
        else
        {
            await Assert.ThrowsAsync<ArgumentException>(() => starting);
        }
        await UntilStoppingAsync(!later && what.StartsWith("declare", StringComparison.Ordinal), stopping);
        Assert.Equal(1, host.Client.Journal.Count(entry => entry == what));
        Assert.Contains(log.Lines, line => line.Level >= LogLevel.Error);
    }

    private static async Task UntilStoppingAsync(bool isStartFailed, CancellationToken stopping)
    {
        if (isStartFailed)
            return; // a host that did not start has nothing to stop
        var stopped = new TaskCompletionSource();
        using var registration = stopping.Register(stopped.SetResult);
        await stopped.Task;
    }

    [Fact(Timeout = Patience)]
    public async Task A_refused_consumer_is_tried_again_after_waits_that_double_up_to_30_seconds()
    {
        await using var host = TestHost.Build(amqp => amqp.AddConsumer("missing", (_, _) => new(AmqpSettlement.Ack)));
        host.Client.Behave = (_, _) => throw new AmqpTopologyException("no queue 'missing'", "queue 'missing'");

        await host.StartAsync();

        int attempt = 1;
        foreach (int seconds in new[] { 1, 2, 4, 8, 16, 30, 30 })
        {
            await host.Time.WhenArmedAsync(TimeSpan.FromSeconds(seconds));
            Assert.Equal(attempt++, host.Client.Journal.Count);
            host.Time.Advance(TimeSpan.FromSeconds(seconds));
            await host.Client.SeenAsync("consume missing", attempt);
        }
    }

    [Fact(Timeout = Patience)]
    public async Task What_failed_once_stands_when_a_later_attempt_succeeds()
    {
        await using var host = TestHost.Build(amqp => amqp.AddServer("prices", (request, _) => new(request.Message)));
        host.Client.Behave = (entry, _) => entry.StartsWith("serve", StringComparison.Ordinal)
            && host.Client.Journal.Count == 1
            ? throw new AmqpTopologyException("locked", "queue 'prices'") : Task.CompletedTask;

        await host.StartAsync();
        await host.Time.WhenArmedAsync(TimeSpan.FromSeconds(1));
        var hosted = host.Services.GetRequiredService<AmqpHostedService>();
        Assert.Equal(["server of queue 'prices' is not ready: locked"], hosted.Missing);

        host.Time.Advance(TimeSpan.FromSeconds(1));
        await host.Client.SeenAsync("serve prices", 2);
        await host.StopAsync();

        Assert.Empty(hosted.Missing);
        Assert.Equal(["serve prices", "serve prices", "stop prices", "dispose"], host.Client.Journal);
    }

    [Fact(Timeout = Patience)]
    public async Task Failures_and_successes_are_logged_with_what_they_are_about()
    {
        using var log = new CapturedLog();
        await using var host = TestHost.Build(amqp =>
        {
            amqp.AddConsumer("orders", (_, _) => new(AmqpSettlement.Ack));
            amqp.Services.AddLogging(logging => logging.AddProvider(log));
        });
        host.Client.Behave = (entry, _) => host.Client.Journal.Count == 1
            ? throw new AmqpTopologyException("404", "queue 'orders'") : Task.CompletedTask;

        await host.StartAsync();
        await host.Time.WhenArmedAsync(TimeSpan.FromSeconds(1));
        host.Time.Advance(TimeSpan.FromSeconds(1));
        await host.Client.SeenAsync("consume orders", 2);
        await host.StopAsync();

        const string Prefix = "AMQP client 'default'";
        Assert.Equal(
        [
            (600, LogLevel.Information, $"{Prefix} is starting: 0 topologies, 1 consumers and servers"),
            (601, LogLevel.Information, $"{Prefix}: connection is ready (attempt 1)"),
            (602, LogLevel.Warning, $"{Prefix}: consumer of queue 'orders' failed (attempt 1); next attempt "
                + "in 00:00:01"),
            (601, LogLevel.Information, $"{Prefix}: consumer of queue 'orders' is ready (attempt 2)"),
            (610, LogLevel.Information, $"{Prefix}: stopping 1 consumers and servers, for at most 00:00:20"),
            (613, LogLevel.Information, $"{Prefix} is disposed"),
        ], log.Lines.Where(line => line.Id is >= 600 and < 700));
    }

    [Fact(Timeout = Patience)]
    public async Task A_logger_that_throws_keeps_consumers_neither_from_starting_nor_from_stopping_in_order()
    {
        await using var host = TestHost.Build(
            amqp => amqp.AddTopology(new AmqpTopology().Queue("orders"))
                .AddConsumer("orders", (_, _) => new(AmqpSettlement.Ack)),
            options => options.LoggerFactory = new ThrowingLoggers());

        await host.StartAsync();
        await host.Client.SeenAsync("consume orders");
        await host.StopAsync();

        Assert.Equal(["declare queue 'orders'", "consume orders", "stop orders", "dispose"], host.Client.Journal);
    }

    [Fact(Timeout = Patience)]
    public async Task A_refused_topology_keeps_neither_the_next_one_nor_consumers_from_starting_and_is_tried_again()
    {
        await using var host = TestHost.Build(amqp => amqp
            .AddTopology(new AmqpTopology().Queue("bad"))
            .AddTopology(new AmqpTopology().Queue("good"))
            .AddConsumer("good", (_, _) => new(AmqpSettlement.Ack)));
        host.Client.Behave = (entry, _) => entry == "declare queue 'bad'"
            ? throw new AmqpTopologyException("406", "queue 'bad'") : Task.CompletedTask;

        await host.StartAsync();
        await host.Client.SeenAsync("consume good");
        await host.Time.WhenArmedAsync(TimeSpan.FromSeconds(1));
        host.Time.Advance(TimeSpan.FromSeconds(1));
        await host.Client.SeenAsync("declare queue 'bad'", 2);

        Assert.Equal(1, host.Client.Journal.Count(entry => entry == "declare queue 'good'"));
        Assert.Equal(1, host.Client.Journal.Count(entry => entry == "consume good"));
    }

    [Fact(Timeout = Patience)]
    public async Task Consumers_start_after_every_hosted_service_has_started()
    {
        var slow = new SlowService();
        await using var host = TestHost.Build(amqp =>
        {
            amqp.AddTopology(new AmqpTopology().Queue("orders"))
                .AddConsumer("orders", (_, _) => new(AmqpSettlement.Ack));
            amqp.Services.AddSingleton<IHostedService>(slow);
        });

        var starting = host.StartAsync();
        await host.Client.SeenAsync("declare queue 'orders'");
        await slow.Starting.Task;
        Assert.DoesNotContain("consume orders", host.Client.Journal);

        slow.Go.SetResult();
        await starting;
        await host.Client.SeenAsync("consume orders");
    }

    [Fact(Timeout = Patience)]
    public async Task The_topology_is_declared_while_services_that_were_registered_first_still_start()
    {
        var slow = new SlowService();
        await using var host = TestHost.Build(amqp =>
        {
            amqp.AddTopology(new AmqpTopology().Queue("orders"));
            amqp.Services.Insert(0, ServiceDescriptor.Singleton<IHostedService>(slow));
        });

        var starting = host.StartAsync();
        await slow.Starting.Task;
        await host.Client.SeenAsync("declare queue 'orders'");

        slow.Go.SetResult();
        await starting;
        Assert.Equal(["declare queue 'orders'"], host.Client.Journal);
    }

    [Fact(Timeout = Patience)]
    public async Task A_host_that_knows_no_lifecycle_events_gets_its_consumers_and_its_end_all_the_same()
    {
        await using var host = TestHost.Build(amqp => amqp.AddConsumer("orders", (_, _) => new(AmqpSettlement.Ack)));
        var hosted = host.Services.GetServices<IHostedService>().OfType<AmqpHostedService>().Single();

        await hosted.StartAsync(CancellationToken.None);
        await host.Client.SeenAsync("consume orders");
        await hosted.StopAsync(CancellationToken.None);

        Assert.Equal(["consume orders", "stop orders", "dispose"], host.Client.Journal);
    }

    [Fact(Timeout = Patience)]
    public async Task Told_to_wait_the_host_starts_only_when_the_client_is_open_and_each_topology_was_tried()
    {
        var open = new TaskCompletionSource();
        var declared = new TaskCompletionSource();
        await using var host = TestHost.Build(amqp =>
        {
            amqp.WaitForConnection().AddTopology(new AmqpTopology().Queue("orders"));
            Connect(amqp, (_, _) => open.Task);
        });
        host.Client.Behave = (_, _) => declared.Task;

        var starting = host.StartAsync();
        Assert.Empty(host.Client.Journal);
        open.SetResult();
        await host.Client.SeenAsync("declare queue 'orders'");
        Assert.False(starting.IsCompleted);

        declared.SetException(new AmqpTopologyException("406", "queue 'orders'"));
        await starting;
    }

    [Fact(Timeout = Patience)]
    public async Task A_host_that_waits_gives_up_with_its_own_token()
    {
        using var patience = new CancellationTokenSource();
        await using var host = TestHost.Build(amqp =>
        {
            amqp.WaitForConnection();
            Connect(amqp, async (_, token) => await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, token));
        });

        var starting = host.StartWithinAsync(patience.Token);
        await patience.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => starting);
    }

    [Fact(Timeout = Patience)]
    public async Task Fail_fast_fails_the_start()
    {
        await using var host = TestHost.Build(
            amqp => Connect(amqp, (_, _) => throw new AmqpConnectException("not there", isRefused: false)),
            options => options.FirstConnect = AmqpFirstConnect.FailFast);

        await Assert.ThrowsAsync<AmqpConnectException>(() => host.StartAsync());
    }

    [Fact(Timeout = Patience)]
    public async Task A_client_that_could_not_connect_yet_is_asked_again_in_the_background()
    {
        int asked = 0;
        await using var host = TestHost.Build(amqp =>
        {
            amqp.AddConsumer("orders", (_, _) => new(AmqpSettlement.Ack));
            Connect(amqp, (_, _) =>
                ++asked == 1 ? throw new AmqpConnectException("not there", isRefused: false) : Task.CompletedTask);
        });

        await host.StartAsync();
        await host.Time.WhenArmedAsync(TimeSpan.FromSeconds(1));
        Assert.Empty(host.Client.Journal);
        host.Time.Advance(TimeSpan.FromSeconds(1));

        await host.Client.SeenAsync("consume orders");
    }

    [Fact(Timeout = Patience)]
    public async Task A_service_missing_in_a_handlers_constructor_stops_the_start()
    {
        await using var host = TestHost.Build(amqp => amqp.AddConsumer<NeedsTooMuch>("orders"));

        var fault = await Assert.ThrowsAsync<InvalidOperationException>(() => host.StartAsync());

        Assert.Contains(nameof(IFormatProvider), fault.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("consume orders", host.Client.Journal);
    }

    [Fact(Timeout = Patience)]
    public async Task Options_that_are_not_valid_stop_the_start_before_anything_connects()
    {
        await using var host = TestHost.Build(
            amqp => Connect(amqp, (_, _) => throw new InvalidOperationException("connected")),
            options => options.Heartbeat = TimeSpan.FromMilliseconds(1));

        var fault = await Assert.ThrowsAsync<OptionsValidationException>(() => host.StartAsync());

        Assert.Contains(nameof(AmqpClientOptions.Heartbeat), fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Options_are_part_of_the_hosts_own_validation()
    {
        await using var host = TestHost.Build(_ => { }, options => options.Heartbeat = TimeSpan.Zero);

        Assert.Throws<OptionsValidationException>(
            () => host.Services.GetRequiredService<IStartupValidator>().Validate());
    }

    private static void Connect(SafeAmqpBuilder amqp, Func<IAmqpClient, CancellationToken, Task> open)
        => ClientRegistration.FindOrAdd(amqp.Services, amqp.Key).OpenAsync = open;

    private sealed class SlowService : IHostedService
    {
        internal TaskCompletionSource Starting { get; } = new();

        internal TaskCompletionSource Go { get; } = new();

        public Task StartAsync(CancellationToken cancellationToken)
        {
            Starting.SetResult();
            return Go.Task;
        }

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }

    private sealed class ThrowingLoggers : ILoggerFactory, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) => throw new InvalidOperationException("The disk is full.");

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public void Dispose()
        {
        }
    }

    private sealed class NeedsTooMuch(IFormatProvider missing) : IAmqpConsumer
    {
        public ValueTask<AmqpSettlement> HandleAsync(AmqpDelivery delivery, CancellationToken deliveryLost)
            => new(missing is null ? AmqpSettlement.Reject : AmqpSettlement.Ack);
    }
}
