using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;

namespace SafeAmqp.Tests.Hosting;

/// <summary>A real host around a fake client and a clock that stands still.</summary>
internal sealed class TestHost : IAsyncDisposable
{
    private readonly IHost _host;

    private TestHost(IHost host) => _host = host;

    internal FakeClient Client { get; private init; } = null!;

    internal ManualTimeProvider Time { get; private init; } = null!;

    internal IServiceProvider Services => _host.Services;

    internal static TestHost Build(Action<SafeAmqpBuilder> build, Action<AmqpClientOptions>? configure = null)
    {
        var client = new FakeClient();
        var time = new ManualTimeProvider();
        var builder = new HostApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.AddSingleton<TimeProvider>(time);
        builder.Services.AddSingleton<IAmqpClient>(client);
        build(builder.Services.AddSafeAmqp(options =>
        {
            options.Uri = "amqp://u:p@localhost/";
            configure?.Invoke(options);
        }));
        return new TestHost(builder.Build()) { Client = client, Time = time };
    }

    internal Task StartAsync() => StartWithinAsync(TestContext.Current.CancellationToken);

    internal Task StopAsync() => StopWithinAsync(TestContext.Current.CancellationToken);

    internal Task StartWithinAsync(CancellationToken cancellationToken) => _host.StartAsync(cancellationToken);

    internal Task StopWithinAsync(CancellationToken cancellationToken) => _host.StopAsync(cancellationToken);

    public ValueTask DisposeAsync() => ((IAsyncDisposable)_host).DisposeAsync();

    /// <summary>The options that a client gets out of some configuration.</summary>
    internal static AmqpClientOptions Options(
        Dictionary<string, string?> settings, Action<IServiceCollection, IConfiguration> register, string? key = null)
    {
        IConfiguration configuration = new ConfigurationBuilder().AddInMemoryCollection(settings).Build();
        var services = new ServiceCollection();
        services.AddSingleton(configuration);
        register(services, configuration);
        using var provider = services.BuildServiceProvider();
        return provider.GetRequiredService<IOptionsMonitor<AmqpClientOptions>>()
            .Get(key ?? Microsoft.Extensions.Options.Options.DefaultName);
    }
}
