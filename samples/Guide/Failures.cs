using System.Text;
using SafeAmqp;

namespace Guide;

/// <summary>What happens when a handler fails, and when a publish does.</summary>
public static class Failures
{
    /// <summary>Handles payments with a bank that may be closed.</summary>
    public static async Task<AmqpSubscription> PayAsync(IAmqpClient amqp, Func<bool> bankIsOpen, Action<string> say)
    {
        await amqp.DeclareAsync(new AmqpTopology().Queue("payments"));
        // <hold>
        AmqpSubscription consumer = await amqp.ConsumeAsync("payments", (payment, lost) =>
        {
            say($"Attempt {payment.PreviousAttempts + 1}");
            if (!bankIsOpen())
                throw new InvalidOperationException("The bank is closed.");
            say($"Paid {Encoding.UTF8.GetString(payment.Body.Span)}");
            return new(AmqpSettlement.Ack);
        }, new AmqpConsumerOptions
        {
            OnFailure = AmqpFailurePolicy.Hold(TimeSpan.FromMilliseconds(50), TimeSpan.FromMilliseconds(200)),
        });
        // </hold>
        await amqp.PublishAsync("", "payments", "100 EUR"u8.ToArray());
        return consumer;
    }

    /// <summary>Brings back what failed for the last time.</summary>
    public static async Task ReturnAsync(IAmqpClient amqp, Action<string> say)
    {
        // <return>
        AmqpQueueCounts dead = await amqp.Admin.CountAsync("payments.dead");
        long returned = await amqp.Admin.ReturnDeadAsync("payments");
        // </return>
        say($"{dead.Messages} dead, {returned} returned");
    }

    /// <summary>The other policies.</summary>
    public static IReadOnlyList<AmqpConsumerOptions> Policies() =>
    [
        // <policies>
        new() { OnFailure = AmqpFailurePolicy.Default },                            // 1, 5, 20, 60 s; then dead
        new() { OnFailure = AmqpFailurePolicy.Hold(TimeSpan.FromSeconds(10)) },     // once more after 10 s; then dead
        new() { OnFailure = AmqpFailurePolicy.Retry(5, TimeSpan.FromMinutes(10)) }, // waits in a queue; then rejected
        new() { OnFailure = AmqpFailurePolicy.Reject },                             // to the dead-letter exchange
        new() { OnFailure = AmqpFailurePolicy.Requeue },                            // back to the queue, for ever
        // </policies>
    ];

    /// <summary>A queue with a dead-letter exchange of its own.</summary>
    public static async Task DeclareAsync(IAmqpClient amqp)
    {
        // <dead-letter>
        await amqp.DeclareAsync(new AmqpTopology()
            .Queue("unpaid")
            .With(new AmqpQueue { Name = "invoices", DeadLetterExchange = "", DeadLetterRoutingKey = "unpaid" }));
        // </dead-letter>
    }

    /// <summary>Publishes, and repeats what is safe to repeat.</summary>
    public static async Task PublishAsync(IAmqpClient amqp, AmqpMessage message, Action<string> say)
    {
        // <publish>
        try
        {
            await amqp.PublishAsync(message, TimeSpan.FromSeconds(5));
            say("Confirmed");
        }
        catch (AmqpException error) when (error.IsSafeToRepeat)
        {
            say($"{error.Outcome}: it may be published again. {error.Message}");
        }
        catch (AmqpUnknownOutcomeException error)
        {
            say($"It may have arrived, and may be published again with the same message id. {error.Message}");
        }
        // </publish>
    }

    /// <summary>Publishes many.</summary>
    public static async Task PublishAllAsync(IAmqpClient amqp, IReadOnlyList<AmqpMessage> messages, Action<string> say)
    {
        // <batch>
        IReadOnlyList<AmqpPublishResult> results = await amqp.PublishAllAsync(messages);
        for (int i = 0; i < results.Count; i++)
            if (!results[i].IsConfirmed)
                say($"Message {i}: {results[i].Outcome}");
        // </batch>
    }
}
