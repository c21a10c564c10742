namespace SafeAmqp.Actor;

/// <summary>What the mailbox carries: commands from callers, signals from the broker, and steps of the shell itself.</summary>
internal abstract class ActorMessage;

/// <summary>A part of a conversation with RabbitMQ.Client that has to go on on the I/O thread. The actor never sees it.</summary>
internal sealed class ShellStep(Action step) : ActorMessage
{
    internal void Run() => step();
}
