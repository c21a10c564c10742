using SafeAmqp.Actor;

namespace SafeAmqp.Publishing;

/// <summary>Finds the publish over which the broker closed a channel. Pure.</summary>
internal static class Refusal
{
    // Reply codes: AMQP 0-9-1, section 1.2.
    private const int ContentTooLarge = 311;
    private const int AccessRefused = 403;
    private const int NotFound = 404;
    private const int PreconditionFailed = 406;
    private const int NotImplemented = 540;

    /// <summary>
    /// The first unanswered publish that names what the broker's text names: RabbitMQ quotes the exchange (404, 403) or the user id
    /// (406). Where the text names neither, the only one in flight; among several nobody can tell.
    /// </summary>
    internal static OutgoingJob? Culprit(IEnumerable<OutgoingJob> unanswered, CloseReason end)
    {
        if (!end.ByBroker || end.Code is not (ContentTooLarge or AccessRefused or NotFound or PreconditionFailed or NotImplemented))
            return null;
        OutgoingJob? first = null;
        bool several = false;
        foreach (OutgoingJob job in unanswered)
        {
            if (Names(end.Text, job.Message.Exchange) || Names(end.Text, job.Message.UserId))
                return job;
            several = first is not null;
            first ??= job;
        }
        return several ? null : first;
    }

    private static bool Names(string text, string? name) => !string.IsNullOrEmpty(name) && text.Contains($"'{name}'", StringComparison.Ordinal);
}
