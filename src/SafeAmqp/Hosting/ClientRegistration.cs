using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace SafeAmqp.Hosting;

/// <summary>
/// What was registered for one client. Written while the services are collected, only read afterwards: one collection may build
/// several providers, so nothing of a running host is kept here.
/// </summary>
internal sealed class ClientRegistration(string? key)
{
    /// <summary>The section of the client without a key, the parent of the others', and the name of its connection string.</summary>
    internal const string Root = "SafeAmqp";

    /// <summary>Under the 30 s that a host gives its services, so that publishes can still be confirmed after it.</summary>
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
    internal ClientConnection Connection { get; set; } = ClientConnection.Default;
    internal bool? WaitForConnection { get; set; }
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
        services.AddSingleton<IConfigureOptions<AmqpClientOptions>>(provider => new ConfigureClientOptions(provider, this));
        services.AddSingleton<IPostConfigureOptions<AmqpClientOptions>>(provider => new NameKeyedClient(provider, this));
        services.AddSingleton<IValidateOptions<AmqpClientOptions>>(new ValidateClientOptions(this));
        services.AddOptions<AmqpClientOptions>(OptionsName).ValidateOnStart();
        services.TryAdd(ServiceDescriptor.KeyedSingleton<IAmqpClient>(Key, (provider, _) => new AmqpClient(ReadOptions(provider))));
        services.AddKeyedSingleton(Key, (provider, _) => new AmqpHostedService(provider, this));
        services.AddSingleton<IHostedService>(provider => provider.GetRequiredKeyedService<AmqpHostedService>(Key));
    }

    internal AmqpClientOptions ReadOptions(IServiceProvider provider)
        => provider.GetRequiredService<IOptionsMonitor<AmqpClientOptions>>().Get(OptionsName);
}
