using System.Text;
using Microsoft.Extensions.Logging;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Rpc;

/// <summary>Answers requests: built on consuming and publishing alone.</summary>
internal sealed class RpcServer(IAmqpClient client, AmqpRequestHandler handler, AmqpServeOptions options,
    ILogger logger, LogThrottle throttle, TimeProvider time)
{
    internal async ValueTask<AmqpSettlement> HandleAsync(AmqpDelivery request, CancellationToken lost)
    {
        if (string.IsNullOrEmpty(request.Message.ReplyTo))
        {
            if (throttle.ShouldLog(request.Queue, "no reply address", out long others))
                Log.RequestWithoutReplyTo(logger, request.Queue, others);
            return request.Flaw is null ? AmqpSettlement.Ack : AmqpSettlement.Reject;
        }
        TimeSpan? left = TimeLeft(request.Message);
        if (left <= TimeSpan.Zero)
        {
            if (throttle.ShouldLog(request.Queue, "too late", out long others))
                Log.RequestTooLate(logger, request.Queue, -left.Value.TotalSeconds, others);
            return AmqpSettlement.Ack;
        }
        using var deadline = left is { } timeout ? new CancellationTokenSource(timeout, time)
            : new CancellationTokenSource();
        using var abandoned = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, lost);
        AmqpMessage reply;
        try
        {
            if (request.Flaw is { } flaw)
                throw new InvalidDataException($"The request cannot be read: {flaw.Reason}");
            reply = await handler(request, abandoned.Token).ConfigureAwait(false)
                ?? throw new InvalidOperationException("The handler returned no message.");
        }
        catch (Exception error)
        {
            if (lost.IsCancellationRequested)
                return AmqpSettlement.Requeue; // without effect: the broker has done so
            if (deadline.IsCancellationRequested)
                return AmqpSettlement.Ack; // nobody waits for the fault
            if (request.Stop.Explains(error))
                throw; // another server may still answer
            if (throttle.ShouldLog(request.Queue, error.GetType().Name, out long others))
                Log.RequestFailed(logger, request.Queue, others, error);
            request.Fault = error;
            reply = Fault(error);
        }
        return await ReplyAsync(request, reply).ConfigureAwait(false);
    }

    private async ValueTask<AmqpSettlement> ReplyAsync(AmqpDelivery request, AmqpMessage reply)
    {
        Exception failure;
        try
        {
            await SendAsync(request, reply).ConfigureAwait(false);
            return AmqpSettlement.Ack;
        }
        catch (AmqpException error) when (error.Outcome is AmqpOutcome.NotSent
            && !(TimeLeft(request.Message) <= TimeSpan.Zero))
        {
            TellOfLostReply(request, error);
            return AmqpSettlement.Requeue; // its caller still waits: another try may reach it
        }
        catch (Exception error)
        {
            TellOfLostReply(request, error);
            failure = error;
        }
        // Known not to have arrived: the caller need not wait for its deadline. Unknown: a second reply would be a
        // duplicate.
        bool isLost = failure is ArgumentException
            or AmqpException { Outcome: AmqpOutcome.Refused or AmqpOutcome.Returned or AmqpOutcome.Nacked };
        if (isLost && request.Fault is null)
        {
            request.Fault = failure;
            return await ReplyAsync(request, Fault(failure, "The reply could not be sent: ")).ConfigureAwait(false);
        }
        return AmqpSettlement.Ack;
    }

    private ValueTask SendAsync(AmqpDelivery request, AmqpMessage reply) => client.PublishAsync(reply with
    {
        Exchange = "",
        RoutingKey = request.Message.ReplyTo!,
        CorrelationId = request.Message.CorrelationId,
        Mandatory = !IsDirect(request.Message.ReplyTo!),
    });

    private void TellOfLostReply(AmqpDelivery request, Exception error)
    {
        if (throttle.ShouldLog(request.Queue, $"reply {error.GetType().Name}", out long others))
            Log.ReplyNotDelivered(logger, request.Queue, others, error);
    }

    // RabbitMQ delivers to a direct reply-to address without a queue, and returns the reply all the same when it is
    // mandatory (3.10).
    private static bool IsDirect(string replyTo)
        => replyTo.StartsWith("amq.rabbitmq.reply-to.", StringComparison.Ordinal);

    private AmqpMessage Fault(Exception error, string prefix = "")
    {
        string text = options.SendFaultMessages ? prefix + error.Message : "";
        return new AmqpMessage
        {
            Persistent = false,
            Headers = new Dictionary<string, object?> { [CallHeaders.Fault] = error.GetType().FullName },
            ContentType = "text/plain; charset=utf-8",
            Body = Encoding.UTF8.GetBytes(text.Length <= CallErrors.MaxFaultText ? text
                : text[..CallErrors.MaxFaultText]),
        };
    }

    // Both ends' clocks take part; a peer that sets no such header has no deadline here, only the message's expiration.
    private TimeSpan? TimeLeft(AmqpMessage request)
    {
        if (request.Headers is not { } headers || !headers.TryGetValue(CallHeaders.Deadline, out object? value)
            || value is not long milliseconds)
            return null;
        long now = time.GetUtcNow().ToUnixTimeMilliseconds();
        // Clamped before anything is computed with it: a peer may write any number there.
        return TimeSpan.FromMilliseconds(Math.Clamp(milliseconds, now - TimeSpan.MillisecondsPerDay,
            now + 7 * TimeSpan.MillisecondsPerDay) - now);
    }
}
