using System.Text.Json;
using Microsoft.AspNetCore.Mvc;
using SafeAmqp;

namespace RecipeService.Http;

/// <summary>
/// What went wrong as RFC 9457 problem details: which status, and what became of the request. Pure decisions.
/// </summary>
internal static class Problem
{
    /// <summary>
    /// The key under which an exception carries the id of its crawling job, and under which the caller is told it.
    /// </summary>
    public const string JobId = "job_id";

    private const string TypePrefix = "urn:recipe-service:problem:";

    /// <summary>The problem of an exception, or null when it is nothing that a caller should be told.</summary>
    public static ProblemDetails? Of(Exception exception)
    {
        var problem = Describe(exception);
        if (problem is not null && exception.Data[JobId] is string job)
            problem.Extensions[JobId] = job;
        return problem;
    }

    private static ProblemDetails? Describe(Exception exception) => exception switch
    {
        AmqpException amqp => Of(amqp),
        BrokerAwayException away => WithFate(
            New(503, "broker-away", "The broker is away", $"{away.Message} {Fate(AmqpOutcome.NotSent)}"),
            AmqpOutcome.NotSent, safe: true),
        WorkerException { Status: 422 } refused =>
            New(422, "not-analysable", "The worker could not make anything of this", refused.Message),
        WorkerException failed => New(failed.Status, "worker-failed", "The worker failed", failed.Message),
        BadHttpRequestException bad =>
            New(bad.StatusCode, "bad-request", "The request is not valid", bad.InnerException is JsonException json
            ? $"The body is not JSON of the documented form (at {json.Path ?? "$"})."
            : bad.Message),
        _ => null,
    };

    private static ProblemDetails Of(AmqpException exception)
    {
        var problem = exception switch
        {
            AmqpRemoteException => New(502, "worker-failed", "The worker failed", ""),
            AmqpNoReplyException { InnerException: TimeoutException } => New(504, "timeout", "No answer in time", ""),
            AmqpReturnedException => New(503, "no-worker", "No worker takes such requests at the moment", ""),
            AmqpRefusedException or AmqpNackedException =>
                New(503, "broker-refuses", "The broker does not take the request", ""),
            // Not sent, unknown, link lost while waiting, no topology, no connection.
            _ => New(503, "broker-away", "The broker is away", ""),
        };
        problem.Detail = Fate(exception.Outcome);
        return WithFate(problem, exception.Outcome, exception.IsSafeToRepeat);
    }

    /// <summary>What became of the request, for a person.</summary>
    internal static string Fate(AmqpOutcome? outcome) => outcome switch
    {
        AmqpOutcome.Confirmed => "The request reached the broker, so it may have been worked on, or may yet "
            + "be; repeating it may do the work twice.",
        AmqpOutcome.Returned => "No queue took the request, so no worker received it; repeating it is safe.",
        AmqpOutcome.Nacked => "The broker did not accept the request; repeating it later is safe.",
        AmqpOutcome.Refused =>
            "The broker refused the request; repeating it is safe and fails again until the cause is removed.",
        AmqpOutcome.NotSent => "The request never left this service; repeating it is safe.",
        AmqpOutcome.Unknown =>
            "The request left, and nothing tells whether it arrived; repeating it may do the work twice.",
        _ => "The request was not sent; repeating it is safe.",
    };

    private static ProblemDetails New(int status, string type, string title, string detail)
        => new() { Status = status, Type = TypePrefix + type, Title = title, Detail = detail };

    private static ProblemDetails WithFate(ProblemDetails problem, AmqpOutcome? outcome, bool safe)
    {
        problem.Extensions["outcome"] = WireName(outcome);
        problem.Extensions["safe_to_repeat"] = safe;
        return problem;
    }

    private static string WireName(AmqpOutcome? outcome) => outcome switch
    {
        AmqpOutcome.Confirmed => "confirmed",
        AmqpOutcome.Returned => "returned",
        AmqpOutcome.Nacked => "nacked",
        AmqpOutcome.Refused => "refused",
        AmqpOutcome.Unknown => "unknown",
        _ => "not_sent",
    };
}
