using System.Globalization;

namespace SafeAmqp.Telemetry;

/// <summary>Formats states and times. Texts that a peer controls are shortened and freed of control
/// characters.</summary>
internal static class StatusText
{
    internal static string Describe(AmqpLinkStatus link) => string.Concat([
        $"{link.Name} link {Word(link.State)} for {Seconds(link.InState)}, epoch {link.Epoch}",
        link.Host is { } host ? $", {host}" : "",
        link.BlockedReason is { } reason
            ? $", publishing blocked by the broker for {Seconds(link.BlockedFor ?? default)} ({reason})" : "",
        link.State != AmqpLinkState.Open && link.LastError is { } last ? $", last error: {last}" : "",
        link.RecoveryAttempt > 0 ? $", attempt {link.RecoveryAttempt}" : "",
        link.NextAttemptIn is { } next ? $", next in {Seconds(next)}" : "",
        link.QueuedMessages > 0 ? $", {link.QueuedMessages} waiting to be sent" : "",
        link.OldestQueued is { } oldest ? $" (oldest {Seconds(oldest)})" : "",
        link.UnconfirmedMessages > 0 ? $", {link.UnconfirmedMessages} unconfirmed" : "",
        link.PendingCalls > 0 ? $", {link.PendingCalls} calls pending" : "",
        .. link.Consumers.Where(consumer => consumer.State != AmqpConsumerState.Live)
            .Select(consumer => $", consumer of '{consumer.Queue}' {Word(consumer.State)}"
                + (consumer.LastError is { } error ? $" ({error})" : "")),
        .. link.Consumers.Where(consumer => consumer.StuckFor is not null).Select(consumer
            => $", all handlers of '{consumer.Queue}' running for {Seconds(consumer.StuckFor!.Value)}"),
        .. link.Consumers.Where(consumer => consumer.DeadLetterError is not null)
            .Select(consumer => $", dead letters of '{consumer.Queue}': {consumer.DeadLetterError}"),
        link.TopologyErrors.Count > 0 ? $", not declared again: {link.TopologyErrors[0]}" : "",
        link.TopologyErrors.Count > 1 ? $" and {link.TopologyErrors.Count - 1} more" : "",
    ]);

    internal static string Seconds(TimeSpan time)
        => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.0##} s");

    /// <summary>At most so many characters, without control characters and characters that break a line or change its
    /// direction.</summary>
    internal static string Printable(string text, int max = 200)
    {
        string cut = text.Length <= max ? text : string.Concat(text.AsSpan(0, max), "…");
        if (!cut.Any(Misleads))
            return cut;
        return string.Concat(cut.Select(c => Misleads(c) ? $"\\u{(int)c:x4}" : c.ToString()));
    }

    /// <summary>A state as the value of an attribute.</summary>
    internal static string Name(AmqpLinkState state) => state.ToString().ToLowerInvariant();

    // Begins a new line in a log viewer, or changes the direction of the text after it.
    private static bool Misleads(char c) => char.IsControl(c)
        || char.GetUnicodeCategory(c) is UnicodeCategory.LineSeparator
            or UnicodeCategory.ParagraphSeparator or UnicodeCategory.Format;

    private static string Word(AmqpLinkState state) => state switch
    {
        AmqpLinkState.Idle => "not started",
        AmqpLinkState.Waiting => "waiting to reconnect",
        _ => Name(state),
    };

    private static string Word(AmqpConsumerState state) => state.ToString().ToLowerInvariant();
}

/// <summary>Says in one phrase why what waited waited, from the state of its link. The state itself follows it in every
/// message. Pure.</summary>
internal static class WaitReason
{
    /// <summary>Bytes come at least every half heartbeat, and an answer comes at once as a rule: less silence than this
    /// says nothing.</summary>
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(2);

    /// <summary>Why something was not sent.</summary>
    internal static string NotSent(AmqpClientStatus status) => NotSent(Publishing(status), Starved(status));

    /// <summary>Why something that was sent has no answer of the broker.</summary>
    internal static string NotAnswered(AmqpClientStatus status)
    {
        if (Publishing(status) is not { } link)
            return "the broker did not answer";
        return NoWay(link) ?? Starved(status) ?? Quiet(link)
            ?? "the broker is there and did not answer for it, as it does for a queue without a majority or a disk "
                + "that is slow";
    }

    /// <summary>Why a request that the broker has confirmed has no reply.</summary>
    internal static string NotReplied(AmqpClientStatus status)
    {
        if (Publishing(status) is not { } link)
            return "no reply came";
        return NoWay(link) ?? Starved(status)
            ?? "the broker has the request, and no reply came: no server took it, or it is still at work";
    }

    /// <summary>Why the broker did not do what a consumer or a declaration asks for on any link.</summary>
    internal static string NotDone(AmqpClientStatus status)
        => status.Links.Select(Away).FirstOrDefault(away => away is not null)
            ?? Starved(status) ?? status.Links.Select(Quiet).FirstOrDefault(quiet => quiet is not null)
                ?? "the broker is there and did not answer";

    /// <summary>How many wait in the same queue.</summary>
    /// <param name="before">Those that were to be sent before it.</param>
    /// <param name="behind">Those that came after it.</param>
    internal static string InLine(int before, int behind)
        => string.Create(CultureInfo.InvariantCulture, $"{before} jobs before it, {behind} behind it");

    private static string NotSent(AmqpLinkStatus? link, string? starved)
    {
        if (link is null)
            return "its turn did not come";
        if ((NoWay(link) ?? starved) is { } reason)
            return reason;
        return link.UnconfirmedMessages > 0
            ? string.Create(CultureInfo.InvariantCulture,
                $"the broker has not answered {link.UnconfirmedMessages} messages that were sent before "
                    + $"it{(Quiet(link) is { } quiet ? $", and {quiet}" : "")}")
            : Quiet(link) ?? "its turn did not come, though the link was open";
    }

    private static string? NoWay(AmqpLinkStatus link)
        => link.BlockedReason is { } blocked
            ? $"connection blocked by broker ({blocked}) for {StatusText.Seconds(link.BlockedFor ?? default)}"
                : Away(link);

    private static string? Away(AmqpLinkStatus link)
    {
        if (link.State is AmqpLinkState.Closing or AmqpLinkState.Closed)
            return "the client closes its connection";
        if (link.State == AmqpLinkState.Idle)
            return "the client has not begun to connect";
        if (link.State == AmqpLinkState.Open)
            return null;
        string why = link.LastError is { } error ? $" (last error: {error})" : link.Host is { } host
            ? $" ({host} has not answered yet)" : "";
        return $"no open connection to the broker for {StatusText.Seconds(link.NotOpenFor ?? link.InState)}{why}";
    }

    // A handshake, heartbeats, reads of TLS and all sends but the first of a batch need the pool.
    private static string? Starved(AmqpClientStatus status)
        => status.ThreadPoolStarvedFor is { } time
            ? $"this process's thread pool has been starved for {StatusText.Seconds(time)}" : null;

    private static string? Quiet(AmqpLinkStatus link)
        => link.LastReceived is { } last
            && last > Silence ? $"nothing was received from the broker for {StatusText.Seconds(last)}" : null;

    private static AmqpLinkStatus? Publishing(AmqpClientStatus status)
        => status.Links.Count > 0 ? status.Links[0] : null;
}
