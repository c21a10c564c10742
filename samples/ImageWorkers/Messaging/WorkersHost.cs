using ImageServer.Protocol;
using ImageWorkers.Painting;
using ImageWorkers.Searching;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Recipes.Telemetry;
using SafeAmqp;

namespace ImageWorkers.Messaging;

/// <summary>The program that runs the workers. Apart from it so that tests can host them.</summary>
internal static class WorkersHost
{
    /// <summary>Makes the host.</summary>
    /// <param name="args">Which workers: <c>generator</c>, <c>searcher</c>; none is both. Arguments that begin with a
    /// dash are settings.</param>
    /// <param name="configure">Changes configuration or services before the host is made: a place to add
    /// models.</param>
    /// <returns>The host, not started.</returns>
    /// <exception cref="InvalidOperationException">A setting or an argument is not valid.</exception>
    public static IHost Create(string[] args, Action<HostApplicationBuilder>? configure = null)
    {
        var builder = Host.CreateApplicationBuilder([.. args.Where(IsSetting)]);
        configure?.Invoke(builder);
        var settings = WorkerSettings.From(builder.Configuration, [.. args.Where(argument => !IsSetting(argument))]);

        builder.Services.AddSingleton(settings);
        builder.Services.TryAddSingleton(TimeProvider.System);
        OtlpExport.AddTo(builder.Services, builder.Configuration, "image-workers");
        builder.Services.AddSingleton<Painter>();
        builder.Services.AddSingleton<IImageModel>(provider => provider.GetRequiredService<Painter>());
        builder.Services.AddSingleton<IImageModel, PatientPainter>();
        builder.Services.AddSingleton(
            provider => new Catalogue(provider.GetRequiredService<Painter>(), settings.CatalogueFolder));
        builder.Services.AddSingleton<Cancellations>();
        AddMessaging(builder.Services, settings);
        return builder.Build();
    }

    private static void AddMessaging(IServiceCollection services, WorkerSettings settings)
    {
        var amqp = services.AddSafeAmqp(options =>
        {
            options.Uri = settings.BrokerUrl;
            options.RequireTls = settings.RequireTls;
            options.ClientName = $"image-workers-{string.Join('-', settings.Workers)}";
        });

        // Each worker process hears of every cancelled request, and only while it is there.
        string exchange = WorkerMessages.CancelExchange(settings.NamePrefix);
        string cancelled = $"{exchange}.{Guid.NewGuid():N}";
        amqp.AddTopology(new AmqpTopology()
            .Exchange(exchange, AmqpExchangeType.Fanout)
            .With(new AmqpQueue { Name = cancelled, Exclusive = true, Durable = false })
            .Bind(exchange).ToQueue(cancelled));
        amqp.AddConsumer(
            cancelled, (provider, delivery, lost)
            => provider.GetRequiredService<Cancellations>().HandleAsync(delivery, lost));

        // One request in hand for each that is worked on: what waits stays in the queue for whichever worker is free
        // first.
        var options = new AmqpServeOptions
        {
            Consumer = new AmqpConsumerOptions { Prefetch = settings.Concurrency, Concurrency = settings.Concurrency },
        };
        if (settings.Workers.Contains(WorkerSettings.Generator))
            amqp.AddTopology(Queue(WorkerMessages.GenerateQueue(settings.NamePrefix), settings))
                .AddServer<GenerateServer>(WorkerMessages.GenerateQueue(settings.NamePrefix), options);
        if (settings.Workers.Contains(WorkerSettings.Searcher))
            amqp.AddTopology(Queue(WorkerMessages.SearchQueue(settings.NamePrefix), settings))
                .AddServer<SearchServer>(WorkerMessages.SearchQueue(settings.NamePrefix), options);
    }

    // Arguments as the server's, which the broker compares.
    private static AmqpTopology Queue(string name, WorkerSettings settings) => new AmqpTopology().With(new AmqpQueue
    {
        Name = name,
        MaxLength = WorkerMessages.MaxQueueLength,
        Overflow = AmqpOverflow.RejectPublish,
        Expires = settings.QueueExpiry,
    });

    private static bool IsSetting(string argument) => argument.StartsWith('-');
}
