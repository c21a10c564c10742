using System.Globalization;
using SafeAmqp.Actor;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Publishing;

/// <summary>The exceptions in which jobs end, each with what became of the message, why, and the state of the
/// client.</summary>
internal static class JobErrors
{
    internal static AmqpException Returned(OutgoingJob job, CloseReason reply, AmqpClientStatus status)
        => job.IsRepeated ? Repeated(job, reply, status)
            : new AmqpReturnedException($"The broker returned the {job.Message}: {reply.Describe()}. No queue received "
                + $"it: {(job.Message.Exchange.Length == 0 ? "declare the queue of that name"
                    : "bind one with that key")} first.", status, reply);

    internal static AmqpException Nacked(OutgoingJob job, AmqpClientStatus status)
        => job.IsRepeated ? Repeated(job, CloseReason.Local("basic.nack"), status)
            : new AmqpNackedException($"The broker refused the {job.Message} without a reason (basic.nack): a full "
                + $"queue, or one without a leader.", status);

    internal static AmqpException Refused(OutgoingJob job, CloseReason end, AmqpClientStatus status)
        => job.IsRepeated && Refusal.Sizes(end) is null ? Repeated(job, end, status)
            : new AmqpRefusedException($"The broker refused the {job.Message}: {end.Describe()}.", status,
                end);

    /// <summary>It cannot be sent to this broker.</summary>
    internal static AmqpException Unsendable(OutgoingJob job, string why, AmqpClientStatus status)
        => new AmqpRefusedException($"The {job.Message} was refused before it was sent: {why}.", status);

    /// <summary>Nothing else was in flight when the broker ended a link or channel over it once more.</summary>
    internal static AmqpException RefusedAlone(OutgoingJob job, CloseReason end, AmqpClientStatus status)
        => new AmqpRefusedException($"The broker refused the {job.Message}: it ended what it came on twice, the second "
            + $"time with nothing else in flight: {end.Describe()}.", status, end);

    internal static AmqpException NotSent(OutgoingJob job, string why, AmqpClientStatus status, Exception? inner = null)
        => new AmqpNotSentException($"The {job.Message} was not sent: {why}.", inner, status);

    internal static AmqpException Unknown(OutgoingJob job, CloseReason end, AmqpClientStatus status)
        => new AmqpUnknownOutcomeException($"The {job.Message} was sent and not answered: {end.Describe()}. It may "
            + $"or may not have arrived.", end.Error, status, end);

    // The broker's answer to the last copy says nothing about those before it.
    private static AmqpException Repeated(OutgoingJob job, CloseReason end, AmqpClientStatus status)
        => Unknown(job, end with { Text = $"it was sent again, and then refused or returned ({end.Text})" }, status);

    /// <summary>The end of a job whose deadline came: its own state decides between not sent and unknown.</summary>
    /// <param name="job">The job.</param>
    /// <param name="now">The time.</param>
    /// <param name="status">The state of the client, which says why.</param>
    /// <param name="line">Its place in the queue, if it waited in one.</param>
    internal static AmqpException TimedOut(OutgoingJob job, long now, AmqpClientStatus status, string? line = null)
    {
        string waited = StatusText.Seconds(TimeSpan.FromTicks(now - job.AcceptedAt));
        var timeout = new TimeoutException($"Timed out after {waited}.");
        return job.WasPassed
            ? new AmqpUnknownOutcomeException($"The {job.Message} was sent and not answered within {waited}: "
                + $"{WaitReason.NotAnswered(status)}. It may or may not have arrived.", timeout, status)
            : NotSent(job, $"timed out after {waited}: {WaitReason.NotSent(status)}{(line is null ? "" : $"; {line}")}",
                status, timeout);
    }
}

/// <summary>What a closed channel says about the publishes in flight.</summary>
/// <param name="Culprit">The publish over which it was closed, when it can only have been that one.</param>
/// <param name="Example">A message to the exchange over which it was closed; <see langword="null"/> when that is not
/// known either.</param>
internal readonly record struct Blame(OutgoingJob? Culprit, AmqpMessage? Example);

/// <summary>Finds the publish over which the broker closed a channel. Pure.</summary>
internal static class Refusal
{
    // Reply codes: AMQP 0-9-1, section 1.2.
    private const int ContentTooLarge = 311;
    private const int AccessRefused = 403;
    private const int NotFound = 404;
    private const int PreconditionFailed = 406;
    private const int NotImplemented = 540;

    /// <summary>The publish that the broker's text is about: RabbitMQ quotes the exchange (404, 403), with it the
    /// routing key where access goes by topic, or the user id (406). If it fits several in flight, it cannot be known
    /// over which one the channel was closed: the exchange may have been there, or the access allowed, when the broker
    /// read the earlier ones. A user id is wrong from the first on. Where the text is about none, it is the only
    /// one.</summary>
    internal static Blame Of(IEnumerable<OutgoingJob> unanswered, CloseReason end)
    {
        if (!end.ByBroker
            || end.Code is not (ContentTooLarge or AccessRefused or NotFound or PreconditionFailed or NotImplemented))
            return default;
        OutgoingJob? first = null, named = null;
        bool several = false, severalNamed = false;
        foreach (OutgoingJob job in unanswered)
        {
            several = first is not null;
            first ??= job;
            if (!IsAbout(end, job.Message))
                continue;
            severalNamed = named is not null;
            named ??= job;
        }
        if (named is not null)
            return new Blame(severalNamed && end.Code != PreconditionFailed ? null : named, named.Message);
        return several || first is null ? default : new Blame(first, first.Message);
    }

    // Whole phrases: the same texts name the virtual host and the connection's own user, which may be the name of an
    // exchange or a neighbour's user id.
    private static bool IsAbout(CloseReason end, AmqpMessage message)
    {
        if (end.Code == PreconditionFailed)
        {
            return Sizes(end) is { } sizes ? message.Body.Length == sizes.Size
                : Says(end.Text, "user_id property set to '", message.UserId, "' but ");
        }
        string exchange = message.Exchange.Length == 0 ? "amq.default" : message.Exchange;
        return Says(end.Text, "exchange '", exchange, "' in vhost ")
            && (!IsByTopic(end)
                || Says(end.Text, "to topic '", message.RoutingKey, "' in "));
    }

    /// <summary>Whether access was refused to a routing key, and not to the whole exchange.</summary>
    internal static bool IsByTopic(CloseReason end) => end.Text.Contains("to topic '", StringComparison.Ordinal);

    /// <summary>The size of the message over which the broker closed a channel, and the largest that it takes; null
    /// when that is not why.</summary>
    internal static (long Size, long Max)? Sizes(CloseReason end)
        => end is { ByBroker: true, Code: PreconditionFailed or ContentTooLarge }
            && Number(end.Text, "message size ") is { } size && Number(end.Text, "max size ") is { } max
            ? (size, max) : null;

    /// <summary>Whether what was in flight may be why a link or channel ended, and nothing tells which of it.</summary>
    /// <param name="end">How it ended.</param>
    /// <param name="isLink">Whether the whole link did.</param>
    internal static bool CastsSuspicion(CloseReason end, bool isLink)
        => end.ByBroker && (isLink ? end.Code is 501 or 502 or 505 or 541 // frame, syntax, order, internal error
            : end.Code is not (AccessRefused or NotFound)); // which name an exchange

    private static long? Number(string text, string before)
    {
        int at = text.IndexOf(before, StringComparison.Ordinal);
        if (at < 0)
            return null;
        ReadOnlySpan<char> digits = text.AsSpan(at + before.Length);
        int end = digits.IndexOfAnyExceptInRange('0', '9');
        return long.TryParse(end < 0 ? digits : digits[..end], CultureInfo.InvariantCulture, out long number) ? number
            : null;
    }

    private static bool Says(string text, string before, string? name, string after)
    {
        if (name is null)
            return false;
        string phrase = StatusText.Printable($"{before}{name}{after}", int.MaxValue);
        if (text.Contains(phrase, StringComparison.Ordinal))
            return true;
        int start = text.IndexOf(before, StringComparison.Ordinal); // a long text was cut, perhaps within the phrase
        return start >= 0 && text.EndsWith('…') && phrase.StartsWith(text[start..^1], StringComparison.Ordinal);
    }
}
