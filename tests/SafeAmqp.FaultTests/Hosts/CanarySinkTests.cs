using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Reflection;
using System.Text.Json.Serialization;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace SafeAmqp.FaultTests.Hosts;

// A password is planted in a host's configuration, everything works and fails, and then it is looked for wherever a
// host lets its insides be seen.
public sealed class CanarySinkTests : FaultCase
{
    private const string Canary = "c4n4ryw0rd";

    private readonly ConcurrentQueue<string> _sinks = [];

    [Fact]
    public async Task Health_metrics_activities_and_logs_of_a_host_show_no_password()
    {
        AmqpTestBroker broker = await BrokerAsync(new AmqpTestBrokerOptions { UserName = "user", Password = Canary });
        using var activities = new ActivityListener
        {
            ShouldListenTo = _ => true,
            Sample = (ref _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = activity => _sinks.Enqueue($"{activity.Source.Name} "
                + $"{activity.DisplayName} {string.Join(' ', activity.TagObjects)} {activity.StatusDescription} "
                + $"{string.Join(' ', activity.Events.SelectMany(e => e.Tags))} {string.Join(' ', activity.Baggage)}"),
        };
        ActivitySource.AddActivityListener(activities);
        int measured = 0;
        using var metrics = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name.StartsWith("SafeAmqp", StringComparison.Ordinal))
                    listener.EnableMeasurementEvents(instrument);
            },
        };
        metrics.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Measured(instrument, value, tags));
        metrics.SetMeasurementEventCallback<int>((instrument, value, tags, _) => Measured(instrument, value, tags));
        metrics.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Measured(instrument, value, tags));
        metrics.Start();
        var log = new Lines();
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["SafeAmqp:Uri"] = $"amqp://127.0.0.1:{broker.Port}/%2F",
            ["SafeAmqp:UserName"] = "user",
            ["SafeAmqp:Password"] = Canary,
            ["SafeAmqp:MaxReconnectDelay"] = "00:00:00.200",
        });
        builder.Services.AddSingleton<ILoggerFactory>(log);
        builder.Services.AddSafeAmqp().AddTopology(new AmqpTopology().Queue("q")).AddConsumer(
            "q",
            (_, _) => throw new InvalidOperationException("fault"),
            new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Reject });
        builder.Services.AddHealthChecks().AddSafeAmqp().AddSafeAmqpLiveness();
        using IHost host = builder.Build();
        await host.StartAsync(Cancelled);
        var amqp = host.Services.GetRequiredService<IAmqpClient>();
        await LookAsync();
        await amqp.PublishAsync(AmqpMessage.ToQueue("q", []), Cancelled);
        Look(await EndOf(amqp.PublishAsync(AmqpMessage.ToQueue("nowhere", []), Cancelled)));
        await broker.KillAsync(Cancelled);
        await UntilAsync(() => !amqp.Status.IsReady);
        await LookAsync();
        await broker.StartAgainAsync(Cancelled);
        broker.AddUser("user", "changed"); // from now on the canary is refused, by name
        await broker.InjectAsync(FaultAction.Reset());
        await UntilAsync(
            () => amqp.Status.Links.All(link => link.LastError?.Contains("403", StringComparison.Ordinal) == true));
        await LookAsync();
        await host.StopAsync(Cancelled);
        Look(amqp);

        async Task LookAsync()
        {
            HealthReport report = await host.Services.GetRequiredService<HealthCheckService>()
                .CheckHealthAsync(Cancelled);
            foreach (HealthReportEntry entry in report.Entries.Values)
                _sinks.Enqueue($"{entry.Description} {entry.Exception} "
                    + $"{string.Join(' ', entry.Data)} {string.Join(' ', entry.Tags)}");
            metrics.RecordObservableInstruments();
            Look(amqp.Status);
            Look(host.Services.GetRequiredService<IOptions<AmqpClientOptions>>().Value);
        }

        void Measured<T>(Instrument instrument, T value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            Interlocked.Increment(ref measured);
            _sinks.Enqueue($"{instrument.Name} {instrument.Description} {value} "
                + $"{string.Join(' ', tags.ToArray())} {string.Join(' ', instrument.Meter.Tags ?? [])}");
        }

        Assert.True(_sinks.Count > 20 && log.All.Count > 5 && measured > 0, "There was nothing to look at.");
        // the password got as far as the broker
        Assert.Contains(_sinks, sink => sink.Contains("403", StringComparison.Ordinal));
        Assert.All(
            _sinks.Concat(log.All), text => Assert.DoesNotContain(Canary, text, StringComparison.OrdinalIgnoreCase));
    }

    [Theory]
    [InlineData("SafeAmqp:Uri", $"amqp://user:{Canary}@[::1/")]
    [InlineData("SafeAmqp:Uri", $"amqp://user:{Canary}@broker.example:99999/")]
    [InlineData("SafeAmqp:Heartbeat", Canary)]
    [InlineData("SafeAmqp:Pasword", Canary)]
    [InlineData("ConnectionStrings:SafeAmqp", $"Endpoint=x;Password={Canary}")]
    public async Task Configuration_that_is_wrong_stops_the_start_and_shows_no_value(string key, string value)
    {
        var builder = Host.CreateApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Configuration.AddInMemoryCollection(
            new Dictionary<string, string?> { ["SafeAmqp:Uri"] = "amqp://user:x@localhost", [key] = value });
        var log = new Lines();
        builder.Services.AddSingleton<ILoggerFactory>(log);
        builder.Services.AddSafeAmqp();
        using IHost host = builder.Build();
        Exception error = await Assert.ThrowsAnyAsync<Exception>(() => host.StartAsync(Cancelled));
        Assert.All(
            log.All.Append(error.ToString()),
            text => Assert.DoesNotContain(Canary, text, StringComparison.OrdinalIgnoreCase));
    }

    [Fact]
    public void What_may_hold_a_secret_is_shown_by_no_serializer_and_no_debugger()
    {
        var secrets = typeof(AmqpClient).Assembly.GetExportedTypes()
            .SelectMany(type => type.GetProperties(BindingFlags.Public | BindingFlags.Instance))
            .Where(property => property.PropertyType == typeof(string) && (property.Name is "Uri"
                || property.Name.Contains("Password", StringComparison.Ordinal)
                || property.Name.Contains("Secret", StringComparison.Ordinal))).ToList();
        Assert.Equal(3, secrets.Count); // the options' URI and password, the credentials' password
        Assert.All(secrets, property =>
        {
            Assert.NotNull(property.GetCustomAttribute<JsonIgnoreAttribute>());
            Assert.Equal(
                DebuggerBrowsableState.Never, property.GetCustomAttribute<DebuggerBrowsableAttribute>()?.State);
            Assert.Equal(
                "{ToString(),nq}", property.DeclaringType!.GetCustomAttribute<DebuggerDisplayAttribute>()?.Value);
        });
        Look(new AmqpClientOptions { Uri = $"amqp://user:{Canary}@localhost", Password = Canary });
        Look(new AmqpCredentials("user", Canary) { ValidFor = TimeSpan.FromHours(1) });
        Assert.All(_sinks, text => Assert.DoesNotContain(Canary, text, StringComparison.OrdinalIgnoreCase));
    }

    private void Look(object? what) => _sinks.Enqueue(what?.ToString() ?? "");
}
