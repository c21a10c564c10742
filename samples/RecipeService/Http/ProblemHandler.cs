using System.Globalization;
using Microsoft.AspNetCore.Diagnostics;

namespace RecipeService.Http;

/// <summary>Answers a failed request with its problem details.</summary>
internal sealed class ProblemHandler(IProblemDetailsService problems, ILogger<ProblemHandler> log) : IExceptionHandler
{
    // A broker that restarts is back within about this time; a crowd that retries earlier only delays it.
    private const int RetryAfterSeconds = 5;

    public async ValueTask<bool> TryHandleAsync(
        HttpContext context, Exception exception, CancellationToken cancellationToken)
    {
        if (Problem.Of(exception) is not { } problem)
            return false; // a plain 500, logged in full by the middleware

        context.Response.StatusCode = problem.Status!.Value;
        if (problem.Status == StatusCodes.Status503ServiceUnavailable)
            context.Response.Headers.RetryAfter = RetryAfterSeconds.ToString(CultureInfo.InvariantCulture);
        if (problem.Status >= 500)
            log.RequestFailed(
                context.Request.Method, context.Request.Path.Value, problem.Status.Value, exception.Message);
        return await problems.TryWriteAsync(new ProblemDetailsContext
        {
            HttpContext = context,
            ProblemDetails = problem,
            Exception = exception,
        });
    }
}
