using System.Globalization;

namespace SafeAmqp.Telemetry;

/// <summary>What failed, as the value of <c>error.type</c>: one of few words. Pure.</summary>
internal static class ErrorType
{
    internal const string Timeout = "timeout";
    internal const string Nack = "nack";
    internal const string Stale = "stale";

    internal static string Of(Exception error) => error switch
    {
        AmqpException { ReplyCode: { } code } => OfCode(code),
        AmqpNackedException => Nack,
        AmqpException { InnerException: TimeoutException } => Timeout,
        _ => error.GetType().FullName ?? error.GetType().Name,
    };

    /// <summary>AMQP 0-9-1's own words for its reply codes (section 1.2).</summary>
    internal static string OfCode(int code) => code switch
    {
        311 => "content-too-large",
        312 => "no-route",
        313 => "no-consumers",
        320 => "connection-forced",
        402 => "invalid-path",
        403 => "access-refused",
        404 => "not-found",
        405 => "resource-locked",
        406 => "precondition-failed",
        501 => "frame-error",
        502 => "syntax-error",
        503 => "command-invalid",
        504 => "channel-error",
        505 => "unexpected-frame",
        506 => "resource-error",
        530 => "not-allowed",
        540 => "not-implemented",
        541 => "internal-error",
        _ => code.ToString(CultureInfo.InvariantCulture),
    };
}
