using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using RecipeService.Crawling;
using SafeAmqp;

namespace RecipeService.Status;

/// <summary><c>/api/status</c> and <c>/health</c>.</summary>
internal static class StatusEndpoints
{
    public static void MapStatus(this IEndpointRouteBuilder app)
    {
        app.MapGet("/api/status", (IAmqpClient amqp, JobBoard jobs) => Report(amqp.Status, jobs.Count))
            .WithName("Status")
            .WithTags("Status")
            .WithSummary("The state of the connections to the broker, from memory.");

        // A broker that is away must not get the process restarted, which would not help: live asks for something
        // else.
        app.MapHealthChecks("/health/live", Checks("live"));

        // Every endpoint needs the broker now: a link that recovers, which counts as degraded, is not ready.
        var ready = Checks("ready");
        ready.ResultStatusCodes[HealthStatus.Degraded] = StatusCodes.Status503ServiceUnavailable;
        ready.ResponseWriter = static (context, report) =>
        {
            context.Response.ContentType = "text/plain; charset=utf-8";
            return context.Response.WriteAsync(
                $"{report.Status}: {string.Join("; ", report.Entries.Values.Select(entry => entry.Description))}");
        };
        app.MapHealthChecks("/health/ready", ready);
    }

    internal static StatusReport Report(AmqpClientStatus status, int jobsKept) => new()
    {
        Ready = status.IsReady,
        Summary = status.ToString(),
        Links = [.. status.Links.Select(Report)],
        JobsKept = jobsKept,
    };

    private static HealthCheckOptions Checks(string tag) => new() { Predicate = check => check.Tags.Contains(tag) };

    private static LinkReport Report(AmqpLinkStatus link) => new()
    {
        Name = link.Name,
        State = link.State.ToString().ToLowerInvariant(),
        InStateSeconds = Seconds(link.InState) ?? 0,
        Epoch = link.Epoch,
        Host = link.Host,
        LastError = link.LastError,
        NextAttemptInSeconds = Seconds(link.NextAttemptIn),
        BlockedReason = link.BlockedReason,
        Queued = link.QueuedMessages,
        Unconfirmed = link.UnconfirmedMessages,
        PendingCalls = link.PendingCalls,
        LateReplies = link.LateReplies,
        LastReceivedSeconds = Seconds(link.LastReceived),
        Consumers = [.. link.Consumers.Select(
            c => new ConsumerReport(c.Queue, c.State.ToString().ToLowerInvariant(), c.Unsettled))],
    };

    private static double? Seconds(TimeSpan? time) => time is { } value ? Math.Round(value.TotalSeconds, 3) : null;
}
