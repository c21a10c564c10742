using ImageServer.Protocol;
using ImageServer.Server.Images;
using ImageServer.Server.State;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using SafeAmqp;

namespace ImageServer.Server.Web;

/// <summary><c>/api/state</c>, the last pictures, and <c>/health</c>. All of it from snapshots: looking costs the
/// clients nothing.</summary>
internal static class PageEndpoints
{
    public static void MapPage(this IEndpointRouteBuilder app)
    {
        app.MapGet("/api/state", (StateOwner owner, IAmqpClient amqp, ImageSettings settings, TimeProvider time)
            => PageReport.Of(owner.Current, amqp.Status, settings.GenerationModel, time.GetUtcNow()));

        // A picture never changes, only goes.
        app.MapGet("/pictures/{number:long}.png",
            async (long number, StateOwner owner, ConversionPool pool, HttpContext context) =>
        {
            if (owner.Current.Pictures.Find(picture => picture.Number == number) is not { } shown)
                return Results.NotFound();
            using var bytes = new MemoryStream(shown.Answer.ToArray());
            if (await WireReader.ReadAsync(bytes, context.RequestAborted) is not ReceivedAnswer.Picture picture)
                return Results.NotFound();
            context.Response.Headers.CacheControl = "private, max-age=3600, immutable";
            return Results.Bytes(
                await pool.RunAsync(() => Screen.ToPng(picture.Content), context.RequestAborted), "image/png");
        });

        app.MapHealthChecks(
            "/health/live", new HealthCheckOptions { Predicate = check => check.Tags.Contains("live") });
        app.MapHealthChecks("/health/ready", new HealthCheckOptions
        {
            Predicate = check => check.Tags.Contains("ready"),
            ResultStatusCodes = { [HealthStatus.Degraded] = StatusCodes.Status503ServiceUnavailable },
        });
    }
}
