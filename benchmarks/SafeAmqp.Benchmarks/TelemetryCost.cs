using System.Diagnostics;
using System.Diagnostics.Metrics;
using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.Emit;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Benchmarks;

/// <summary>
/// What watching adds to an operation: nothing but a look while nothing listens, a record with metrics, a span with
/// traces; and what a status snapshot takes. Without a broker, as the way of a message is the same. Run with
/// <c>-- --telemetry</c>.
/// </summary>
[MemoryDiagnoser]
public class TelemetryCost
{
    private readonly AmqpMessage _message = AmqpMessage.ToExchange("orders", "created", new byte[256]);
    private readonly List<IDisposable> _listening = [];
    private ClientObserver _observer = null!;
    private Func<AmqpClientStatus> _status = null!;

    /// <summary>Who listens.</summary>
    [Params("nobody", "metrics", "traces", "both")]
    public string Listeners { get; set; } = "";

    internal static void Run() => BenchmarkRunner.Run<TelemetryCost>(ManualConfig.Create(DefaultConfig.Instance)
        .AddJob(Job.ShortRun.WithToolchain(InProcessEmitToolchain.Instance))
        .WithOptions(ConfigOptions.DisableOptimizationsValidator));

    /// <summary>Makes a client that does not connect, and who listens to it.</summary>
    [GlobalSetup]
    public void SetUp()
    {
        var options = new AmqpClientOptions { Uri = "amqp://u:p@localhost:1/", ClientName = "cost" };
        var client = new AmqpClient(options); // never started: there is nothing to dispose
        _observer = client.Observer;
        _status = () => client.Status;
        if (Listeners is "metrics" or "both")
        {
            var meters = new MeterListener
            {
                InstrumentPublished = (instrument, listener) => listener.EnableMeasurementEvents(instrument)
            };
            meters.SetMeasurementEventCallback<long>(static (_, _, _, _) => { });
            meters.SetMeasurementEventCallback<double>(static (_, _, _, _) => { });
            meters.Start();
            _listening.Add(meters);
        }
        if (Listeners is "traces" or "both")
        {
            var spans = new ActivityListener
            {
                ShouldListenTo = source => source.Name == AmqpTelemetry.ActivitySourceName,
                Sample = static (ref ActivityCreationOptions<ActivityContext> _) =>
                    ActivitySamplingResult.AllDataAndRecorded,
            };
            ActivitySource.AddActivityListener(spans);
            _listening.Add(spans);
        }
    }

    /// <summary>Ends who listens.</summary>
    [GlobalCleanup]
    public void CleanUp() => _listening.ForEach(listener => listener.Dispose());

    /// <summary>What a publish does more than without a watcher.</summary>
    /// <returns>Something, so that it is not optimised away.</returns>
    [Benchmark]
    public bool Publish()
    {
        if (!_observer.SeesSends)
            return false;
        ClientObserver.Sending sending = _observer.Begin(Operation.Publish, _message);
        sending.Confirmed();
        return true;
    }

    /// <summary>A snapshot of both links.</summary>
    /// <returns>The snapshot.</returns>
    [Benchmark]
    public AmqpClientStatus Status() => _status();
}
