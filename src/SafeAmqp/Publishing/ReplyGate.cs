using SafeAmqp.Actor;

namespace SafeAmqp.Publishing;

/// <summary>Where the replies of a lane's calls come to. Calls wait while there is no address.</summary>
internal abstract class ReplyGate
{
    internal abstract string? Address { get; }

    /// <summary>Whether replies come on the lane's own channel, which is not ready before they are consumed.</summary>
    internal virtual bool IsOnLane => false;

    /// <summary>
    /// The lane's channel is open: consume replies on it. Only for a gate on the lane, as all that follows.
    /// </summary>
    internal virtual void Consume(long incarnation)
    {
    }

    internal virtual void Started()
    {
    }

    internal virtual void Received(AmqpMessage reply)
    {
    }

    /// <summary>The lane's channel is gone, and with it the replies that were to come.</summary>
    internal virtual void Lose(CloseReason end)
    {
    }
}
