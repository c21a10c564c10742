using RecipeService.Crawling;
using RecipeService.Http;
using SafeAmqp;

namespace RecipeService;

/// <summary>Says that the I/O thread runs, and begins to listen for crawling answers.</summary>
/// <remarks>
/// A fixed reply queue is consumed from its first call on. Pinging the crawler once makes that call, so that the
/// results of jobs that were begun before a restart of this service are taken in without waiting for somebody's
/// request.
/// </remarks>
internal sealed class Announcer(CrawlingService crawling, TimeProvider time, ILogger<Announcer> log) : BackgroundService
{
    private static readonly TimeSpan TryAgainAfter = TimeSpan.FromSeconds(1);

    // The client was started before any hosted service: its thread runs by now, whether the broker is there or not.
    public override Task StartAsync(CancellationToken cancellationToken)
    {
        log.IoThreadStarted();
        return base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested && !await PingAsync(stoppingToken))
            await Task.Delay(TryAgainAfter, time, stoppingToken);
    }

    private async Task<bool> PingAsync(CancellationToken cancellationToken)
    {
        try
        {
            await crawling.PingAsync(cancellationToken);
            return true;
        }
        catch (Exception error) when (error is BrokerAwayException or AmqpException { IsSafeToRepeat: true })
        {
            return false;
        }
        catch (Exception error) when (error is AmqpException or WorkerException)
        {
            return true; // the crawler is silent or unwell; answers are listened for all the same
        }
    }
}
