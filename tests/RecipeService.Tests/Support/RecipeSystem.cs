using System.Net;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using RecipeWorkers.Messaging;

namespace RecipeService.Tests.Support;

/// <summary>
/// The service and its workers, on queues that only this test uses and that the broker removes when the test is over.
/// </summary>
internal sealed class RecipeSystem : IAsyncDisposable
{
    private static readonly TimeSpan ReadyWithin = TimeSpan.FromSeconds(20);

    private readonly List<IHost> _workers = [];
    private readonly Dictionary<string, string?> _settings;
    private RunningService? _service;

    private RecipeSystem(Dictionary<string, string?> settings) => _settings = settings;

    public RunningService Service => _service!;

    public string this[string setting] => _settings[setting]!;

    /// <summary>The settings of a system on queues of its own.</summary>
    public static Dictionary<string, string?> SettingsFor(Uri broker)
    {
        string own = $"recipe-test-{Guid.NewGuid():N}";
        return new Dictionary<string, string?>
        {
            ["RABBITMQ_URL"] = broker.ToString(),
            ["RABBITMQ_CRAWLING_REQUEST_QUEUE"] = $"{own}.crawling_request_queue",
            ["RABBITMQ_CRAWLING_RESPONSE_QUEUE"] = $"{own}.crawling_response_queue",
            ["AI_QUEUE_NAME"] = $"{own}.recipe_analysis_request",
            ["QUEUE_EXPIRES_SECONDS"] = "60",
        };
    }

    /// <summary>Starts the service and these workers; none are two, both.</summary>
    public static async Task<RecipeSystem> StartAsync(
        Uri broker, string[] workers, params (string Name, string Value)[] settings)
    {
        var all = SettingsFor(broker);
        foreach (var (name, value) in settings)
            all[name] = value;
        var system = new RecipeSystem(all);
        try
        {
            foreach (string worker in workers)
                await system.StartWorkerAsync(worker);
            system._service = await RunningService.StartAsync(all);
            await system.ReadyAsync();
            return system;
        }
        catch
        {
            await system.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts one more worker.</summary>
    public async Task StartWorkerAsync(string worker, Action<HostApplicationBuilder>? configure = null)
    {
        var host = WorkersHost.Create([worker], builder =>
        {
            builder.Configuration.AddInMemoryCollection(_settings);
            builder.Logging.ClearProviders();
            configure?.Invoke(builder);
        });
        _workers.Add(host);
        await host.StartAsync(TestContext.Current.CancellationToken);
    }

    /// <summary>Stops every worker.</summary>
    public async Task StopWorkersAsync()
    {
        foreach (var worker in _workers)
        {
            await worker.StopAsync(TestContext.Current.CancellationToken);
            worker.Dispose();
        }

        _workers.Clear();
    }

    /// <summary>Waits until the service says that it is ready.</summary>
    public Task ReadyAsync() => Until.TrueAsync(
        async () => (await Service.GetAsync("/health/ready")).Status == HttpStatusCode.OK, "the service is ready",
        ReadyWithin);

    public async ValueTask DisposeAsync()
    {
        if (_service is not null)
            await _service.DisposeAsync();
        await StopWorkersAsync();
    }
}
