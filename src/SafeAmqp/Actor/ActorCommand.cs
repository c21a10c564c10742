namespace SafeAmqp.Actor;

/// <summary>
/// What a mailbox carries: commands from callers, signals from the broker, and steps of the thread itself.
/// </summary>
internal interface IActorMessage
{
    /// <summary>
    /// Ends a command because its actor is gone. Called instead of handling it, on the thread that found out.
    /// </summary>
    void Abandon(ConnectionActor actor)
    {
    }
}

/// <summary>
/// What callers ask of the actor. Each carries its completion. Those of the connection are here; those of a verb are in
/// the verb's room. A job to be sent or declared is a command itself.
/// </summary>
internal abstract record ActorCommand : IActorMessage
{
    public virtual void Abandon(ConnectionActor actor)
    {
    }

    /// <summary>Begin to connect.</summary>
    internal sealed record Start : ActorCommand;

    /// <summary>Wait until the link is open.</summary>
    internal sealed record WaitOpen(bool FailFast, Completion<bool> Completion) : ActorCommand
    {
        public override void Abandon(ConnectionActor actor) => Completion.TryFail(actor.DisposedError());
    }

    /// <summary>Finish what is under way until the deadline, then close.</summary>
    internal sealed record Close(long Deadline, Completion<bool> Completion) : ActorCommand
    {
        public override void Abandon(ConnectionActor actor) => Completion.TryComplete(true);
    }
}
