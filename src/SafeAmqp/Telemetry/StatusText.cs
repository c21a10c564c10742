using System.Globalization;
using System.Text;

namespace SafeAmqp.Telemetry;

/// <summary>
/// Puts states and times into words. Texts that a peer controls are shortened and freed of control characters.
/// </summary>
internal static class StatusText
{
    internal static string Describe(AmqpLinkStatus link)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture,
            $"{link.Name} link {Word(link.State)} for {Seconds(link.InState)}, epoch {link.Epoch}");
        if (link.Host is not null)
            text.Append(CultureInfo.InvariantCulture, $", {link.Host}");
        if (link.BlockedReason is not null)
            text.Append(CultureInfo.InvariantCulture,
                $", publishing blocked by the broker for {Seconds(link.BlockedFor ?? default)} ({link.BlockedReason})");
        if (link.State != AmqpLinkState.Open && link.LastError is not null)
            text.Append(CultureInfo.InvariantCulture, $", last error: {link.LastError}");
        if (link.RecoveryAttempt > 0)
            text.Append(CultureInfo.InvariantCulture, $", attempt {link.RecoveryAttempt}");
        if (link.NextAttemptIn is { } next)
            text.Append(CultureInfo.InvariantCulture, $", next in {Seconds(next)}");
        if (link.QueuedMessages > 0)
            text.Append(CultureInfo.InvariantCulture, $", {link.QueuedMessages} waiting to be sent");
        if (link.OldestQueued is { } oldest)
            text.Append(CultureInfo.InvariantCulture, $" (oldest {Seconds(oldest)})");
        if (link.UnconfirmedMessages > 0)
            text.Append(CultureInfo.InvariantCulture, $", {link.UnconfirmedMessages} unconfirmed");
        if (link.PendingCalls > 0)
            text.Append(CultureInfo.InvariantCulture, $", {link.PendingCalls} calls pending");
        foreach (AmqpConsumerStatus consumer in link.Consumers.Where(consumer
            => consumer.State != AmqpConsumerState.Live))
            text.Append(CultureInfo.InvariantCulture,
                $", consumer of '{consumer.Queue}' "
                    + $"{Word(consumer.State)}{(consumer.LastError is null ? "" : $" ({consumer.LastError})")}");
        return text.ToString();
    }

    internal static string Seconds(TimeSpan time)
        => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.0##} s");

    /// <summary>
    /// At most so many characters, without control characters and characters that break a line or change its direction.
    /// </summary>
    internal static string Printable(string text, int max = 200)
    {
        string cut = text.Length <= max ? text : string.Concat(text.AsSpan(0, max), "…");
        if (!cut.Any(Misleads))
            return cut;
        return string.Concat(cut.Select(c => Misleads(c) ? $"\\u{(int)c:x4}" : c.ToString()));
    }

    /// <summary>A state as the value of an attribute.</summary>
    internal static string Name(AmqpLinkState state) => state switch
    {
        AmqpLinkState.Idle => "idle",
        AmqpLinkState.Connecting => "connecting",
        AmqpLinkState.Preparing => "preparing",
        AmqpLinkState.Open => "open",
        AmqpLinkState.Waiting => "waiting",
        AmqpLinkState.Closing => "closing",
        _ => "closed",
    };

    // Begins a new line in a log viewer, or changes the direction of the text after it.
    private static bool Misleads(char c) => char.IsControl(c)
        || char.GetUnicodeCategory(c) is UnicodeCategory.LineSeparator
            or UnicodeCategory.ParagraphSeparator or UnicodeCategory.Format;

    private static string Word(AmqpLinkState state) => state switch
    {
        AmqpLinkState.Idle => "not started",
        AmqpLinkState.Connecting => "connecting",
        AmqpLinkState.Preparing => "preparing",
        AmqpLinkState.Open => "open",
        AmqpLinkState.Waiting => "waiting to reconnect",
        AmqpLinkState.Closing => "closing",
        _ => "closed",
    };

    private static string Word(AmqpConsumerState state) => state switch
    {
        AmqpConsumerState.Starting => "starting",
        AmqpConsumerState.Live => "live",
        AmqpConsumerState.Recovering => "recovering",
        AmqpConsumerState.Stopping => "stopping",
        _ => "stopped",
    };
}
