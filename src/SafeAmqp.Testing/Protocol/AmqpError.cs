using System.Text;

namespace SafeAmqp.Testing.Protocol;

/// <summary>
/// A rule of the protocol was broken: closes the channel or, for hard errors (AMQP 0-9-1, 1.2), the connection.
/// </summary>
internal sealed class AmqpError(ushort code, string explanation) : Exception(explanation)
{
    public ushort Code => code;

    /// <summary>Hard errors end the connection; soft ones only the channel they happened on.</summary>
    public bool IsHard { get; init; } = ReplyCode.IsHard(code);

    /// <summary>
    /// A table or a property list that RabbitMQ's parser dies of: the connection is reset over a method that has one,
    /// and closed with 541 over a content.
    /// </summary>
    public bool IsUnreadable { get; private init; }

    /// <summary>The text of the close method: the code's name and the explanation, cut as RabbitMQ cuts it.</summary>
    public string Text => ReplyCode.Text(code, Message);

    public static AmqpError NotFound(string kind, string name, string vhost) =>
        new(ReplyCode.NotFound, $"no {kind} '{name}' in vhost '{vhost}'");

    public static AmqpError Precondition(string text) => new(ReplyCode.PreconditionFailed, text);

    public static AmqpError Unreadable() => new(ReplyCode.InternalError, "") { IsUnreadable = true };

    /// <summary>More than a reply text holds is not looked at: the octets are the peer's, and may be many.</summary>
    public static AmqpError Undecodable(ReadOnlySpan<byte> fields)
        => new(ReplyCode.FrameError, $"cannot decode {ErlangText.Binary(fields[..Math.Min(fields.Length, 256)])}");
}

/// <summary>Reply codes (AMQP 0-9-1, 1.2) and RabbitMQ's names for them.</summary>
internal static class ReplyCode
{
    public const ushort Success = 200;
    public const ushort ContentTooLarge = 311;
    public const ushort NoRoute = 312;
    public const ushort ConnectionForced = 320;
    public const ushort AccessRefused = 403;
    public const ushort NotFound = 404;
    public const ushort ResourceLocked = 405;
    public const ushort PreconditionFailed = 406;
    public const ushort FrameError = 501;
    public const ushort SyntaxError = 502;
    public const ushort CommandInvalid = 503;
    public const ushort ChannelError = 504;
    public const ushort UnexpectedFrame = 505;
    public const ushort NotAllowed = 530;
    public const ushort NotImplemented = 540;
    public const ushort InternalError = 541;

    private const int ShortStringLimit = 255;

    public static bool IsHard(ushort code) => code is 320 or 402 or >= 500;

    public static string Name(ushort code) => code switch
    {
        311 => "CONTENT_TOO_LARGE",
        312 => "NO_ROUTE",
        313 => "NO_CONSUMERS",
        320 => "CONNECTION_FORCED",
        402 => "INVALID_PATH",
        403 => "ACCESS_REFUSED",
        404 => "NOT_FOUND",
        405 => "RESOURCE_LOCKED",
        406 => "PRECONDITION_FAILED",
        501 => "FRAME_ERROR",
        502 => "SYNTAX_ERROR",
        503 => "COMMAND_INVALID",
        504 => "CHANNEL_ERROR",
        505 => "UNEXPECTED_FRAME",
        506 => "RESOURCE_ERROR",
        530 => "NOT_ALLOWED",
        540 => "NOT_IMPLEMENTED",
        _ => "INTERNAL_ERROR",
    };

    public static string Text(ushort code, string explanation)
    {
        string text = explanation.Length == 0 ? Name(code) : $"{Name(code)} - {explanation}";
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        return bytes.Length <= ShortStringLimit ? text : Encoding.UTF8.GetString(bytes, 0, ShortStringLimit - 3)
            + "...";
    }
}
