using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using SafeAmqp;

namespace Recipes.Telemetry;

/// <summary>
/// Sends traces and metrics to a collector by OTLP, where <c>OTEL_EXPORTER_OTLP_ENDPOINT</c> names one; the exporter
/// reads that and OpenTelemetry's other variables itself. Without it nothing is made and nothing listens. A file that
/// several programs compile.
/// </summary>
internal sealed class OtlpExport(string service, params string[] meters) : IHostedService, IDisposable
{
    private const string Endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";

    private TracerProvider? _traces;
    private MeterProvider? _metrics;

    /// <summary>
    /// Adds it. Before all else that is hosted, so that it hears of their start and stops after them.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="configuration">Where the endpoint stands.</param>
    /// <param name="service">The program's name in the traces.</param>
    /// <param name="meters">The program's own meters.</param>
    public static void AddTo(
        IServiceCollection services, IConfiguration configuration, string service, params string[] meters)
    {
        if (!string.IsNullOrWhiteSpace(configuration[Endpoint]))
            services.AddSingleton<IHostedService>(_ => new OtlpExport(service, meters));
    }

    public Task StartAsync(CancellationToken cancellationToken)
    {
        var resource = ResourceBuilder.CreateDefault().AddService(service);
        // <switch-on>
        _traces = Sdk.CreateTracerProviderBuilder()
            .SetResourceBuilder(resource)
            .AddSource(AmqpTelemetry.ActivitySourceName, "Microsoft.AspNetCore")
            .AddOtlpExporter()
            .Build();
        _metrics = Sdk.CreateMeterProviderBuilder()
            .SetResourceBuilder(resource)
            .AddMeter([AmqpTelemetry.MeterName, .. meters])
            .AddOtlpExporter()
            .Build();
        // </switch-on>
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken)
    {
        Dispose(); // sends what is left
        return Task.CompletedTask;
    }

    public void Dispose()
    {
        Interlocked.Exchange(ref _traces, null)?.Dispose();
        Interlocked.Exchange(ref _metrics, null)?.Dispose();
    }
}
