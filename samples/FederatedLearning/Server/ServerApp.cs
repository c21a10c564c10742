using FederatedLearning.Server.Web;
using FederatedLearning.Status;
using Microsoft.Extensions.DependencyInjection.Extensions;

namespace FederatedLearning.Server;

/// <summary>Puts the server together. Apart from the program so that tests can host it.</summary>
public static class ServerApp
{
    /// <summary>Makes the server.</summary>
    /// <param name="args">The command line.</param>
    /// <param name="configure">Changes configuration or services before the server is made.</param>
    /// <returns>The server, not started.</returns>
    /// <exception cref="InvalidOperationException">A setting is not valid.</exception>
    public static WebApplication Create(string[] args, Action<WebApplicationBuilder>? configure = null)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions
        {
            Args = args,
            ApplicationName = typeof(ServerApp).Assembly.GetName().Name,
            ContentRootPath = AppContext.BaseDirectory,
        });
        builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning);
        builder.Logging.AddSimpleConsole(console => console.SingleLine = true);
        configure?.Invoke(builder);
        AddServices(builder);

        var app = builder.Build();
        // what is wrong with a setting, or missing here, is said before anything starts
        app.Services.GetRequiredService<ChosenProtocols>();
        app.Use(SecurityHeaders.AddAsync);
        app.UseDefaultFiles();
        // Asked for again each time, and not sent again when it is the same: a new version must not meet parts of the
        // old one.
        app.UseStaticFiles(new StaticFileOptions
        {
            OnPrepareResponse = file => file.Context.Response.Headers.CacheControl = "no-cache"
        });
        app.MapPage();
        return app;
    }

    private static void AddServices(WebApplicationBuilder builder)
    {
        var (services, configuration) = (builder.Services, builder.Configuration);
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(ServerSettings.From(configuration));
        services.AddSingleton(FederationSettings.From(name => configuration[name]));
        services.TryAddSingleton(_ => InitialModel.From(configuration));
        services.AddSingleton<ChosenProtocols>();
        services.AddSingleton(provider => new FederationServer(
            provider.GetRequiredService<FederationSettings>(),
            provider.GetRequiredService<InitialModel>().Weights,
            provider.GetRequiredService<InitialModel>().Config,
            provider.GetRequiredService<ChosenProtocols>().Handlers,
            provider.GetRequiredService<TimeProvider>(),
            provider.GetRequiredService<ILogger<FederationServer>>()));
        services.AddSingleton<IFederationStatus>(provider => provider.GetRequiredService<FederationServer>());
        services.AddSingleton<Endpoints.Reporter>();
        services.AddSingleton<TrainingService>();
        services.AddHostedService(provider => provider.GetRequiredService<TrainingService>());
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.AddServerHeader = false);
    }
}
