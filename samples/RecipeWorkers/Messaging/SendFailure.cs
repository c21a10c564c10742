using SafeAmqp;

namespace RecipeWorkers.Messaging;

/// <summary>What becomes of a request whose answer could not be sent.</summary>
internal static class SendFailure
{
    /// <summary>
    /// Back to the queue when the answer may get out another time. That may do the work twice, which both kinds of work
    /// bear: they change nothing. Away when it never will, for it would come round again at once and for ever.
    /// </summary>
    public static AmqpSettlement SettlementOf(AmqpException error) => error.Outcome switch
    {
        AmqpOutcome.NotSent or AmqpOutcome.Unknown or AmqpOutcome.Nacked => AmqpSettlement.Requeue,
        _ => AmqpSettlement.Reject,
    };
}
