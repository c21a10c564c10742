using System.Runtime.CompilerServices;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace SafeAmqp.Hosting;

/// <summary>What was registered for one client. Written while the services are collected, only read afterwards: one
/// collection may build several providers, so nothing of a running host is kept here.</summary>
internal sealed class ClientRegistration(string? key)
{
    /// <summary>The section of the client without a key, the parent of the others', and the name of its connection
    /// string.</summary>
    internal const string Root = "SafeAmqp";

    /// <summary>Under the 30 s that a host gives its services, so that publishes can still be confirmed after
    /// it.</summary>
    internal static readonly TimeSpan DefaultDrainTimeout = TimeSpan.FromSeconds(20);

    internal string? Key { get; } = key;
    internal string OptionsName => Key ?? Options.DefaultName;
    internal string DisplayName => Key ?? "default";
    internal string SectionPath => Key is null ? Root : $"{Root}:{Key}";
    internal string ConnectionStringName => Key ?? Root;

    /// <summary>Sections to bind in place of the one at <see cref="SectionPath"/>.</summary>
    internal List<IConfiguration> Sections { get; } = [];

    internal List<Func<IServiceProvider, AmqpTopology>> Topologies { get; } = [];
    internal List<WorkerRegistration> Workers { get; } = [];

    /// <summary>Waits until every link is open. A client of another class (a decorator, a test's fake) connects as it
    /// likes and counts as open.</summary>
    internal Func<IAmqpClient, CancellationToken, Task> OpenAsync { get; set; } =
        static (client, cancellationToken)
        => client is AmqpClient own ? own.OpenAsync(cancellationToken) : Task.CompletedTask;

    internal bool? WaitForConnection { get; set; }
    internal TimeSpan TopologyTimeout { get; set; } = TimeSpan.FromSeconds(10);
    internal TimeSpan DrainTimeout { get; set; } = DefaultDrainTimeout;

    /// <summary>The registration of a key; the first call makes it and adds the client's services.</summary>
    internal static ClientRegistration FindOrAdd(IServiceCollection services, string? key)
    {
        var found = services.Select(service => service.IsKeyedService ? null : service.ImplementationInstance)
            .OfType<ClientRegistration>().FirstOrDefault(registration => registration.Key == key);
        if (found is not null)
            return found;
        var added = new ClientRegistration(key);
        added.AddTo(services);
        return added;
    }

    // A null key registers and resolves the service without a key: one path for both kinds.
    private void AddTo(IServiceCollection services)
    {
        services.AddSingleton(this);
        services.AddOptions<AmqpClientOptions>(OptionsName)
            .Configure<IServiceProvider>((options, provider)
                => new ConfigureClientOptions(provider, this).Configure(options))
            .PostConfigure<IServiceProvider>(NameKeyed)
            .ValidateOnStart();
        services.AddSingleton<IValidateOptions<AmqpClientOptions>>(new ValidateClientOptions(this));
        services.TryAdd(ServiceDescriptor.KeyedSingleton<IAmqpClient>(Key,
            (provider, _) => new AmqpClient(ReadOptions(provider))
            {
                HostStops = provider.GetService<IHostApplicationLifetime>()?.ApplicationStopping ?? default,
            }));
        services.AddKeyedSingleton(Key, (provider, _) => new AmqpHostedService(provider, this));
        services.AddSingleton<IHostedService>(provider => provider.GetRequiredKeyedService<AmqpHostedService>(Key));
    }

    // A client with a key has a name of its own, so that the broker's management, logs and metrics tell the clients of
    // a process apart.
    private void NameKeyed(AmqpClientOptions options, IServiceProvider provider)
    {
        string? application = provider.GetService<IHostEnvironment>()?.ApplicationName;
        if (Key is not null)
            options.ClientName ??= $"{application ?? AppDomain.CurrentDomain.FriendlyName}:{Key}";
    }

    internal AmqpClientOptions ReadOptions(IServiceProvider provider)
        => provider.GetRequiredService<IOptionsMonitor<AmqpClientOptions>>().Get(OptionsName);
}

/// <summary>A consumer or a server that the host starts and stops.</summary>
/// <param name="What">How log lines and health data name it.</param>
/// <param name="StartAsync">Starts it.</param>
/// <param name="Probe">Makes its handler once, so that a service missing in its constructor stops the host's start; at
/// run time every delivery would fail over it and be requeued without end.</param>
internal sealed record WorkerRegistration(
    string What,
    Func<IServiceScopeFactory, IAmqpClient, CancellationToken, Task<AmqpSubscription>> StartAsync,
    Action<IServiceProvider>? Probe = null)
{
    internal static WorkerRegistration Consumer(string queue, AmqpConsumerOptions? options,
        Func<IServiceProvider, AmqpDelivery, CancellationToken, ValueTask<AmqpSettlement>> handler)
        => new($"consumer of queue '{queue}'", (scopes, client, stop) => client.ConsumeAsync(queue,
            (delivery, lost) => InScopeAsync(scopes, handler, delivery, lost), options, stop));

    internal static WorkerRegistration Server(string queue, AmqpServeOptions? options,
        Func<IServiceProvider, AmqpDelivery, CancellationToken, ValueTask<AmqpMessage>> handler)
        => new($"server of queue '{queue}'", (scopes, client, stop) => client.ServeAsync(queue,
            (request, abandoned) => InScopeAsync(scopes, handler, request, abandoned), options, stop));

    internal static WorkerRegistration ManyServer(string queue, AmqpServeOptions? options,
        Func<IServiceProvider, AmqpDelivery, CancellationToken, IAsyncEnumerable<AmqpMessage>> handler)
        => new($"server of queue '{queue}'", (scopes, client, stop) => client.ServeManyAsync(queue,
            (request, abandoned) => EachInScopeAsync(scopes, handler, request, abandoned), options, stop));

    // The scope ends before the delivery is settled: what its services write when they are disposed counts as part of
    // the work.
    private static async ValueTask<TResult> InScopeAsync<TResult>(IServiceScopeFactory scopes,
        Func<IServiceProvider, AmqpDelivery, CancellationToken, ValueTask<TResult>> handler, AmqpDelivery delivery,
        CancellationToken cancellationToken)
    {
        var scope = scopes.CreateAsyncScope();
        await using var _ = scope.ConfigureAwait(false);
        return await handler(scope.ServiceProvider, delivery, cancellationToken).ConfigureAwait(false);
    }

    private static async IAsyncEnumerable<AmqpMessage> EachInScopeAsync(IServiceScopeFactory scopes,
        Func<IServiceProvider, AmqpDelivery, CancellationToken, IAsyncEnumerable<AmqpMessage>> handler,
        AmqpDelivery request, [EnumeratorCancellation] CancellationToken abandoned)
    {
        var scope = scopes.CreateAsyncScope();
        await using var _ = scope.ConfigureAwait(false);
        await foreach (AmqpMessage reply in handler(scope.ServiceProvider, request, abandoned)
            .WithCancellation(abandoned).ConfigureAwait(false))
            yield return reply;
    }
}
