using FederatedLearning.Server.Results;

namespace FederatedLearning.Server;

/// <summary>Runs the training from start to end: starts core and handlers, writes the results.</summary>
internal sealed class TrainingService(
    FederationServer federation, FederationSettings settings, ServerSettings own, IHostApplicationLifetime life,
    ILogger<TrainingService> log)
    : BackgroundService
{
    // What is in the handlers' queues at the end, training_complete above all, has so long to get out.
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(30);

    /// <summary>0 once a training was completed; it was neither abandoned nor stopped.</summary>
    public int ExitCode { get; private set; } = 1;

    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await federation.StartAsync(cancellationToken);
        log.Waiting(settings.MinClients);
        await base.StartAsync(cancellationToken);
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        patience.CancelAfter(StopPatience);
        await federation.StopAsync(patience.Token);
        await base.StopAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        try
        {
            var result = await federation.Completion.WaitAsync(stoppingToken);
            await ResultFiles.WriteAsync(own.ResultsFolder, result, federation.Snapshot, stoppingToken);
            ExitCode = result.IsSuccess ? 0 : 1;
            log.ResultsWritten(own.ResultsFolder);
            if (own.ExitWhenComplete)
                life.StopApplication();
        }
        catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
        {
            // Stopped before the training's end.
        }
    }
}
