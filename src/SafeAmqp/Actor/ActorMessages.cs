namespace SafeAmqp.Actor;

/// <summary>What a mailbox carries: commands from callers, signals from the broker, and steps of the thread
/// itself.</summary>
internal interface IActorMessage
{
    /// <summary>Ends a command because its actor is gone. Called instead of handling it, on the thread that found
    /// out.</summary>
    void Abandon(ConnectionActor actor) { }
}

/// <summary>What callers ask of the actor. Each carries its completion. Those of the connection are here; those of a
/// verb are in the verb's room. A job to be sent or declared is a command itself.</summary>
internal abstract record ActorCommand : IActorMessage
{
    public virtual void Abandon(ConnectionActor actor) { }

    /// <summary>Begin to connect.</summary>
    internal sealed record Start : ActorCommand;

    /// <summary>Wait until the link is open.</summary>
    /// <param name="FailFast">Whether to give up when no host can be reached.</param>
    /// <param name="Completion">Ends with the wait.</param>
    /// <param name="Deadline">When one that fails fast gives up in any case.</param>
    internal sealed record WaitOpen(bool FailFast, Completion<bool> Completion, long Deadline = ActorTime.Never)
        : ActorCommand
    {
        public override void Abandon(ConnectionActor actor) => Completion.TryFail(actor.DisposedError());
    }

    /// <summary>Finish what is under way until the deadline, then close.</summary>
    internal sealed record Close(long Deadline, Completion<bool> Completion) : ActorCommand
    {
        public override void Abandon(ConnectionActor actor) => Completion.TryComplete(true);
    }
}

/// <summary>Why a link or a channel ended.</summary>
/// <param name="Code">The broker's reply code; 0 when the broker gave none.</param>
/// <param name="Text">The broker's text or the exception's message, safe to show.</param>
/// <param name="ByBroker">Whether the broker closed it with that code.</param>
/// <param name="Error">The exception behind it, when there is one.</param>
internal sealed record CloseReason(int Code, string Text, bool ByBroker, Exception? Error = null)
{
    /// <summary>The message over which the link ended, when it was one.</summary>
    internal PoisonSuspect? Suspect { get; init; }

    /// <summary>The class of the method over which the broker closed it; 0 when it named none.</summary>
    internal int MethodClass { get; init; }

    /// <summary>Whether the broker closed the connection over a declaration.</summary>
    internal bool EndedConnection { get; init; }

    /// <summary>How an entity that is there differs from the one that was declared, when that is why.</summary>
    internal Inequivalence? Inequivalence { get; init; }

    /// <summary>What to tell in place of the broker's text, when that alone does not say what to do.</summary>
    internal string? Told { get; init; }

    /// <summary>It ended on this side.</summary>
    internal static CloseReason Local(string text, Exception? error = null) => new(0, text, ByBroker: false, error);

    /// <summary>It was given up, as the broker did not answer.</summary>
    internal static CloseReason Unanswered(string text)
        => Local(text, new TimeoutException("The broker did not answer in time."));

    internal string Describe() => Code == 0 ? Told ?? Text : $"{Code} {Told ?? Text}";
}

/// <summary>How an entity that is there differs from the one that was declared.</summary>
/// <param name="Argument">The property or argument, as the broker calls it.</param>
/// <param name="Wanted">The value that was declared.</param>
/// <param name="Present">The value that is there; null when the broker's text was too long to say it.</param>
internal sealed record Inequivalence(string Argument, string Wanted, string? Present)
{
    /// <summary>Reads the broker's text, which is at most 255 bytes long.</summary>
    internal static Inequivalence? Of(string text)
    {
        const string begin = "PRECONDITION_FAILED - inequivalent arg '", received = ": received ",
            current = " but current is ";
        if (!text.StartsWith(begin, StringComparison.Ordinal))
            return null;
        int at = text.LastIndexOf(received, StringComparison.Ordinal);
        int end = text.IndexOf('\'', begin.Length);
        if (end < 0 || at < end)
            return null;
        string[] values = text[(at + received.Length)..].Split(current);
        return values.Length == 2 && !text.EndsWith("...", StringComparison.Ordinal)
            ? new Inequivalence(Shown(text[begin.Length..end]), Shown(Value(values[0])), Shown(Value(values[1])))
            : new Inequivalence(Shown(text[begin.Length..end]), Shown(Value(values[0].TrimEnd('.'))), null);
    }

    // 'true'; the value '60000' of type 'signedint'; none
    private static string Value(string text)
    {
        string[] quoted = text.Split('\'');
        return quoted.Length >= 3 ? quoted[1] : text;
    }

    private static string Shown(string text) => Telemetry.StatusText.Printable(text, 80);
}

/// <summary>The message over which the frame reader ended the link. No more is known of a message that cannot be
/// read.</summary>
/// <param name="Incarnation">The channel.</param>
/// <param name="Rule">The rule that it broke.</param>
/// <param name="Size">The size of the body that it announced, or of the frame that announced it.</param>
internal readonly record struct PoisonSuspect(long Incarnation, string Rule, ulong Size);

/// <summary>What the broker did, stamped with the epoch of the link or the incarnation of the channel that it came on:
/// a closed family of past participles. A signal whose stamp is not current is dropped.</summary>
internal abstract record BrokerSignal : IActorMessage
{
    internal sealed record Connected(int Epoch, string Host, int ChannelMax = 0) : BrokerSignal;

    internal sealed record ConnectFailed(int Epoch, CloseReason End, bool Refused, string Host) : BrokerSignal;

    internal sealed record LinkLost(int Epoch, CloseReason End) : BrokerSignal;

    internal sealed record Blocked(int Epoch, string Reason) : BrokerSignal;

    internal sealed record Unblocked(int Epoch) : BrokerSignal;

    /// <summary>A signal of one channel.</summary>
    internal abstract record OfChannel(long Incarnation) : BrokerSignal;

    internal sealed record ChannelOpened(long Incarnation) : OfChannel(Incarnation);

    internal sealed record ChannelClosed(long Incarnation, CloseReason End) : OfChannel(Incarnation);

    /// <summary>The channel, which was busy, takes publishes again.</summary>
    internal sealed record Readied(long Incarnation) : OfChannel(Incarnation);

    internal sealed record Acked(long Incarnation, ulong Sequence, bool Multiple) : OfChannel(Incarnation);

    internal sealed record Nacked(long Incarnation, ulong Sequence, bool Multiple) : OfChannel(Incarnation);

    internal sealed record Returned(long Incarnation, int Slot, int Code, string Text) : OfChannel(Incarnation);

    /// <summary>The broker answered an <see cref="AdminRequest"/>; carries the name of a server-named queue, and what a
    /// queue holds.</summary>
    internal sealed record Answered(long Incarnation, string Name, AmqpQueueCounts Counts = default)
        : OfChannel(Incarnation);

    /// <summary>The queue had no message to get.</summary>
    internal sealed record FoundEmpty(long Incarnation) : OfChannel(Incarnation);

    internal sealed record ConsumerStarted(long Incarnation) : OfChannel(Incarnation);

    /// <summary>The broker cancelled the consumer (its queue is gone), or answered our cancel.</summary>
    internal sealed record ConsumerCancelled(long Incarnation, bool ByBroker) : OfChannel(Incarnation);

    /// <summary>A message came. One with a flaw lacks what could not be read.</summary>
    internal sealed record Delivered(long Incarnation, ulong Tag, bool IsRedelivered, AmqpMessage Message,
        DeliveryFlaw? Flaw = null) : OfChannel(Incarnation);
}
