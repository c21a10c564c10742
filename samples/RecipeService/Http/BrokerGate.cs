using SafeAmqp;

namespace RecipeService.Http;

/// <summary>
/// Turns requests away while the broker is away. The client itself would keep them until their deadline, which is right
/// for a worker and wrong for a user who waits at a browser for 100 s to learn what is known now.
/// </summary>
internal sealed class BrokerGate(IAmqpClient amqp, RecipeSettings settings, TimeProvider time)
{
    // A reconnect after a short cut takes a few hundred milliseconds: worth a look more often than that.
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(50);

    /// <summary>Returns at once when the broker takes requests, else waits for it for the grace time.</summary>
    /// <exception cref="BrokerAwayException">The grace is over.</exception>
    public async ValueTask PassAsync(CancellationToken cancellationToken)
    {
        if (WhyNot() is null)
            return;

        long since = time.GetTimestamp();
        while (WhyNot() is { } reason)
        {
            if (time.GetElapsedTime(since) >= settings.BrokerGrace)
                throw new BrokerAwayException(reason);
            await Task.Delay(LookEvery, time, cancellationToken);
        }
    }

    // The first link is the one that sends.
    private string? WhyNot()
        => amqp.Status.Links is not [var sending, ..] ? "The connection to the broker is not set up yet."
            : sending.BlockedReason is not null ? "The broker takes no messages at the moment."
            : sending.State != AmqpLinkState.Open ? "The broker cannot be reached at the moment."
            : null;
}

/// <summary>The broker is away or takes nothing, and the request was not handed over.</summary>
internal sealed class BrokerAwayException(string message) : Exception(message);
