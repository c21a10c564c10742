using GuardedFetching;
using ImageServer.Server.Calls;
using ImageServer.Server.Clients;
using ImageServer.Server.Images;
using ImageServer.Server.State;
using ImageServer.Server.Video;
using ImageServer.Server.Web;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Recipes.Telemetry;

namespace ImageServer.Server;

/// <summary>Puts the server together. Apart from the program so that tests can host it.</summary>
internal static class ServerApp
{
    private const string DefaultPage = "http://127.0.0.1:5580";

    /// <summary>Makes the server.</summary>
    /// <param name="args">The command line.</param>
    /// <param name="configure">Changes configuration or services before the server is made.</param>
    /// <returns>The server, not started.</returns>
    /// <exception cref="InvalidOperationException">A setting is not valid.</exception>
    public static WebApplication Create(string[] args, Action<WebApplicationBuilder>? configure = null)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions
        {
            ApplicationName = typeof(ServerApp).Assembly.GetName().Name,
            ContentRootPath = AppContext.BaseDirectory,
        });
        builder.Configuration.AddInMemoryCollection(CommandLineOptions.Read(args));
        configure?.Invoke(builder);
        var settings = ImageSettings.From(builder.Configuration);
        builder.Logging.AddFilter("ImageServer", settings.LogLevel);
        // otherwise six lines for each look at the page
        builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning);
        if (string.IsNullOrEmpty(builder.Configuration["urls"]))
            builder.WebHost.UseUrls(DefaultPage);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.AddServerHeader = false);
        AddServices(builder.Services, builder.Configuration, settings);

        var app = builder.Build();
        app.Use(SecurityHeaders.AddAsync);
        app.UseDefaultFiles();
        // Asked for again each time, and not sent again when it is the same: a new version must not meet parts of the
        // old one.
        app.UseStaticFiles(new StaticFileOptions
        {
            OnPrepareResponse = file => file.Context.Response.Headers.CacheControl = "no-cache",
        });
        app.MapPage();
        return app;
    }

    private static void AddServices(IServiceCollection services, IConfiguration configuration, ImageSettings settings)
    {
        services.AddSingleton(settings);
        services.TryAddSingleton(TimeProvider.System);
        services.TryAddSingleton<IFrameSource, TestPicture>();
        OtlpExport.AddTo(services, configuration, "image-server", ServerMetrics.MeterName);
        services.AddSingleton<ServerMetrics>();
        services.AddMessaging(settings);
        services.AddSingleton(new FetchOptions
        {
            AllowedHosts = [.. settings.UrlHosts],
            InternalHosts = [.. settings.UrlInternalHosts],
            UserAgent = "ImageServer/0.1",
        });
        services.AddSingleton(provider => GuardedHttp.CreateClient(provider.GetRequiredService<FetchOptions>()));
        services.AddSingleton<GuardedFetcher>();
        services.AddSingleton<PictureMaker>();
        services.AddSingleton<CommandHandler>();
        services.ConfigureHttpJsonOptions(json =>
        {
            json.SerializerOptions.PropertyNamingPolicy = PageJson.Default.Options.PropertyNamingPolicy;
            json.SerializerOptions.TypeInfoResolverChain.Insert(0, PageJson.Default);
        });

        // Stopped from the last to the first: no new clients, then no work for them, then their state has no changes to
        // come.
        AddHosted<StateOwner>(services);
        AddHosted<ConversionPool>(services);
        AddHosted<FolderScan>(services);
        AddHosted<Listener>(services);
    }

    private static void AddHosted<T>(IServiceCollection services) where T : class, IHostedService
    {
        services.AddSingleton<T>();
        services.AddHostedService(provider => provider.GetRequiredService<T>());
    }
}
