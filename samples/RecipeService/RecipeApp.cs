using Microsoft.Extensions.DependencyInjection.Extensions;
using Recipes.Telemetry;
using RecipeService.Analysis;
using RecipeService.Crawling;
using RecipeService.Http;
using RecipeService.Status;

namespace RecipeService;

/// <summary>Puts the service together. Apart from the program so that tests can host it.</summary>
public static class RecipeApp
{
    // The longest valid request, 20,000 characters of four bytes each as JSON escapes, fits twice over.
    private const int MaxRequestBytes = 256 * 1024;

    /// <summary>Makes the service.</summary>
    /// <param name="args">The command line.</param>
    /// <param name="configure">Changes configuration or services before the service is made.</param>
    /// <returns>The service, not started.</returns>
    /// <exception cref="InvalidOperationException">A setting is not valid.</exception>
    public static WebApplication Create(string[] args, Action<WebApplicationBuilder>? configure = null)
    {
        var builder = WebApplication.CreateBuilder(new WebApplicationOptions
        {
            Args = args,
            ApplicationName = typeof(RecipeApp).Assembly.GetName().Name,
            ContentRootPath = AppContext.BaseDirectory,
        });
        builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning); // otherwise six lines for each request
        configure?.Invoke(builder);
        AddServices(builder);

        var app = builder.Build();
        Map(app);
        return app;
    }

    private static void AddServices(WebApplicationBuilder builder)
    {
        var settings = RecipeSettings.From(builder.Configuration);
        var services = builder.Services;
        services.AddSingleton(settings);
        services.TryAddSingleton(TimeProvider.System);
        OtlpExport.AddTo(services, builder.Configuration, "recipe-service");
        services.AddMessaging(settings);

        services.AddSingleton<BrokerGate>();
        services.AddSingleton<AnalysisService>();
        services.AddSingleton<CrawlingService>();
        services.AddSingleton<JobBoard>();

        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = MaxRequestBytes;
        });
        services.ConfigureHttpJsonOptions(json =>
        {
            json.SerializerOptions.PropertyNamingPolicy = ApiJson.Default.Options.PropertyNamingPolicy;
            json.SerializerOptions.TypeInfoResolverChain.Insert(0, ApiJson.Default);
        });
        // so that a body that is no JSON gets its problem, too
        services.Configure<RouteHandlerOptions>(routes => routes.ThrowOnBadRequest = true);
        services.AddValidation();
        services.AddProblemDetails(problems => problems.CustomizeProblemDetails = ValidationNames.Correct);
        services.AddExceptionHandler<ProblemHandler>();
        services.AddOpenApi(ApiDocument.Describe);
    }

    private static void Map(WebApplication app)
    {
        app.UseExceptionHandler();
        app.UseStatusCodePages();
        app.Use(SecurityHeaders.AddAsync);
        app.UseDefaultFiles();
        // Asked for again each time, and not sent again when it is the same: a new version must not meet parts of the
        // old one.
        app.UseStaticFiles(new StaticFileOptions
        {
            OnPrepareResponse = file => file.Context.Response.Headers.CacheControl = "no-cache"
        });

        app.MapOpenApi();
        app.MapStatus();
        app.MapAnalysis();
        app.MapCrawling();
    }
}
