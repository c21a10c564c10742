using RecipeService.Analysis;
using SafeAmqp;

namespace RecipeService;

/// <summary>The service's one client and the queues it needs.</summary>
internal static class Messaging
{
    // The broker compares arguments when a queue is declared again: worker and service must agree on this.
    private static readonly TimeSpan AnalysisTtl = TimeSpan.FromMinutes(5);

    public static void AddMessaging(this IServiceCollection services, RecipeSettings settings)
    {
        services.AddSafeAmqp(options =>
        {
            options.Uri = settings.BrokerUrl;
            options.RequireTls = settings.RequireTls;
            options.ClientName = "recipe-service";
        }).AddTopology(TopologyOf(settings)).WithTopologyTimeout(settings.BrokerGrace);
        services.AddHealthChecks().AddSafeAmqp().AddSafeAmqpLiveness();
        services.AddHostedService<Announcer>();
        services.AddSingleton<ILoggerProvider, CallbackQueueLog>();
        services.AddLogging(
            logging => logging.AddFilter<CallbackQueueLog>(CallbackQueueLog.Category, LogLevel.Information));
    }

    internal static AmqpTopology TopologyOf(RecipeSettings settings) => new AmqpTopology()
        .With(new AmqpQueue { Name = settings.CrawlingRequestQueue, Expires = settings.QueueExpiry })
        .With(new AmqpQueue { Name = settings.CrawlingResponseQueue, Expires = settings.QueueExpiry })
        .With(
            new AmqpQueue { Name = settings.AnalysisQueue, MessageTtl = AnalysisTtl, Expires = settings.QueueExpiry });
}
