using GuardedFetching;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Recipes.Telemetry;
using RecipeWorkers.Analysis;
using RecipeWorkers.Crawling;
using SafeAmqp;

namespace RecipeWorkers.Messaging;

/// <summary>The program that runs the workers. Apart from it so that tests can host them.</summary>
public static class WorkersHost
{
    /// <summary>How many crawls run at once, as the system's prefetch on its crawling queue says.</summary>
    internal const int CrawlingPrefetch = 10;

    // The broker compares arguments when a queue is declared again: worker and service must agree on this.
    private static readonly TimeSpan AnalysisTtl = TimeSpan.FromMinutes(5);

    /// <summary>Makes the host.</summary>
    /// <param name="args">Which workers: <c>ai</c>, <c>crawler</c>; none is both. Arguments that begin with a dash are
    /// settings.</param>
    /// <param name="configure">Changes configuration or services before the host is made.</param>
    /// <returns>The host, not started.</returns>
    /// <exception cref="InvalidOperationException">A setting or an argument is not valid.</exception>
    public static IHost Create(string[] args, Action<HostApplicationBuilder>? configure = null)
    {
        var builder = Host.CreateApplicationBuilder([.. args.Where(IsSetting)]);
        configure?.Invoke(builder);
        var settings = WorkerSettings.From(builder.Configuration, [.. args.Where(argument => !IsSetting(argument))]);

        builder.Services.AddSingleton(settings);
        builder.Services.TryAddSingleton(TimeProvider.System);
        OtlpExport.AddTo(builder.Services, builder.Configuration, "recipe-workers");
        var amqp = builder.Services.AddSafeAmqp(options =>
        {
            options.Uri = settings.BrokerUrl;
            options.RequireTls = settings.RequireTls;
            options.ClientName = $"recipe-workers-{string.Join('-', settings.Workers)}";
        });
        if (settings.Workers.Contains(WorkerSettings.Ai))
            AddAnalysis(amqp, settings);
        if (settings.Workers.Contains(WorkerSettings.Crawler))
            AddCrawling(amqp, settings);
        return builder.Build();
    }

    private static void AddAnalysis(SafeAmqpBuilder amqp, WorkerSettings settings)
    {
        AddFetching(amqp.Services, settings);
        amqp.Services.AddSingleton<RecipeAnalyzer>();
        amqp.Services.AddSingleton<ImageAnalyzer>();
        amqp.Services.AddSingleton<AnalysisRequestHandler>();
        amqp.AddTopology(new AmqpTopology()
            .With(new AmqpQueue
            {
                Name = settings.AnalysisQueue,
                MessageTtl = AnalysisTtl,
                Expires = settings.QueueExpiry
            }));
        amqp.AddConsumer<AnalysisConsumer>(settings.AnalysisQueue, new AmqpConsumerOptions
        {
            Prefetch = 2 * settings.AnalysisConcurrency,
            Concurrency = settings.AnalysisConcurrency,
            OnFailure = AmqpFailurePolicy.Reject,
        });
    }

    private static void AddCrawling(SafeAmqpBuilder amqp, WorkerSettings settings)
    {
        AddFetching(amqp.Services, settings);
        amqp.Services.AddSingleton(new CrawlOptions { PauseBetweenRequests = settings.CrawlPause });
        amqp.Services.AddSingleton<RecipeCrawler>();
        amqp.Services.AddSingleton<CrawlingRequestHandler>();
        amqp.AddTopology(new AmqpTopology()
            .With(new AmqpQueue { Name = settings.CrawlingRequestQueue, Expires = settings.QueueExpiry })
            .With(new AmqpQueue { Name = settings.CrawlingResponseQueue, Expires = settings.QueueExpiry }));
        amqp.AddConsumer<CrawlingConsumer>(settings.CrawlingRequestQueue, new AmqpConsumerOptions
        {
            Prefetch = CrawlingPrefetch,
            Concurrency = CrawlingPrefetch,
            OnFailure = AmqpFailurePolicy.Reject,
        });
    }

    // What strangers hand in is fetched under one set of rules by both workers.
    private static void AddFetching(IServiceCollection services, WorkerSettings settings)
    {
        services.TryAddSingleton(new FetchOptions
        {
            UserAgent = "RecipeWorkers/0.1",
            AllowedHosts = [.. new FetchOptions().AllowedHosts, .. settings.AllowedHosts]
        });
        services.TryAddSingleton(provider => GuardedHttp.CreateClient(provider.GetRequiredService<FetchOptions>()));
    }

    private static bool IsSetting(string argument) => argument.StartsWith('-');
}
