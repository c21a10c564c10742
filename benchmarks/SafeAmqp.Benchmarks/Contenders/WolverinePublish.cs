using JasperFx.CodeGeneration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Wolverine;
using Wolverine.RabbitMQ;

namespace SafeAmqp.Benchmarks.Contenders;

/// <summary>
/// Wolverine's PublishAsync, inline and with the broker's confirms switched on, as its documentation has it without an
/// outbox: it then ends with the confirm. It makes messages persistent only together with a database, so it takes no
/// part where they are to be.
/// </summary>
internal sealed class WolverinePublish : Contender
{
    internal static readonly string Title = $"Wolverine {VersionOf(typeof(IMessageBus))}, PublishAsync";

    private IHost? _host;
    private IServiceScope[] _scopes = [];
    private IMessageBus[] _buses = [];
    private BenchmarkMessage _message = new([]);

    internal override string Name => Title;

    internal override async Task ConnectAsync(Uri broker, Workload workload)
    {
        _message = new BenchmarkMessage(workload.Body);
        var builder = Host.CreateApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.UseWolverine(options =>
        {
            options.Discovery.DisableConventionalDiscovery();
            options.CodeGeneration.TypeLoadMode = TypeLoadMode.Static; // without handlers there is nothing to compile
            options.UseRabbitMq(broker)
                .ConfigureChannelCreation(channel =>
                {
                    channel.PublisherConfirmationsEnabled = true;
                    channel.PublisherConfirmationTrackingEnabled = true;
                })
                .UseSenderConnectionOnly();
            options.PublishMessage<BenchmarkMessage>().ToRabbitExchange(workload.Exchange).SendInline();
        });
        _host = builder.Build();
        await _host.StartAsync();
        // A bus belongs to one scope, and so to one caller.
        _scopes = [.. Enumerable.Range(0, workload.Callers).Select(_ => _host.Services.CreateScope())];
        _buses = [.. _scopes.Select(scope => scope.ServiceProvider.GetRequiredService<IMessageBus>())];
    }

    protected override ValueTask OperateAsync(int caller) => _buses[caller].PublishAsync(_message);

    public override async ValueTask DisposeAsync()
    {
        foreach (IServiceScope scope in _scopes)
            scope.Dispose();
        if (_host is null)
            return;
        await _host.StopAsync();
        _host.Dispose();
    }
}
