using System.Runtime.CompilerServices;
using System.Text;
using SafeAmqp.Owner;
using SafeAmqp.Publishing;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Rpc;

/// <summary>What the servers of a client have in common.</summary>
/// <param name="Client">Where faults are published whose reply could not be sent.</param>
/// <param name="Events">Where failures are reported.</param>
/// <param name="Observer">Watches replies.</param>
/// <param name="Credit">What may be pending, replies included.</param>
/// <param name="WaitForCredit">Waits for credit for a body of a size.</param>
/// <param name="Clock">The client's clock.</param>
/// <param name="PublishTimeout">How long a reply waits for its confirm.</param>
/// <param name="MaxMessageSize">The largest body, in bytes.</param>
internal sealed record ServerSurroundings(IAmqpClient Client, ClientEvents Events, ClientObserver Observer,
    Credit Credit, Func<int, ValueTask> WaitForCredit, MonotonicClock Clock, TimeSpan PublishTimeout,
    long MaxMessageSize);

/// <summary>Answers requests, on the channel that they came on (<see cref="ServingChannel"/>). A handler's worker goes
/// on as soon as its reply is handed over.</summary>
internal sealed class RpcServer(ServerSurroundings around, AmqpRequestHandler handler, AmqpServeOptions options)
    : RequestServer
{
    /// <summary>How many requests are remembered whose reply closed its channel; beyond that the oldest is
    /// forgotten.</summary>
    private const int MaxRefused = 1000;

    private readonly OrderedDictionary<(string?, string?, string?, int), Exception> _refused = [];
    private CancellationTokenSource? _spare; // for the next request

    internal async ValueTask<AmqpSettlement> HandleAsync(AmqpDelivery request, CancellationToken lost)
    {
        if (Unanswered(around, request, out TimeSpan? left) is { } unanswered)
            return unanswered;
        if (request.IsRedelivered && TakeRefused(request) is { } refused)
            return await FailAsync(request, refused).ConfigureAwait(false);
        CancellationTokenSource abandoned = Rent(left);
        CancellationTokenRegistration loss =
            lost.UnsafeRegister(static source => ((CancellationTokenSource)source!).Cancel(), abandoned);
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
            if (abandoned.IsCancellationRequested)
                return AmqpSettlement.Ack; // its deadline has come, and no caller waits for the fault
            if (request.Stop.Explains(error))
                throw; // another server may still answer
            around.Events.RequestFailed(request.Queue, error);
            request.Fault = error;
            reply = Fault(error, options);
        }
        finally
        {
            await loss.DisposeAsync().ConfigureAwait(false); // after a callback that runs
            Return(abandoned);
        }
        return await ReplyAsync(request, reply).ConfigureAwait(false);
    }

    /// <returns>How a request is settled that is not to be answered: without a reply address, or past its
    /// deadline.</returns>
    internal static AmqpSettlement? Unanswered(ServerSurroundings around, AmqpDelivery request, out TimeSpan? left)
    {
        left = null;
        if (string.IsNullOrEmpty(request.Message.ReplyTo))
        {
            around.Events.RequestWithoutReplyTo(request.Queue);
            return request.Flaw is null ? AmqpSettlement.Ack : AmqpSettlement.Reject;
        }
        left = TimeLeft(around.Clock, request.Message);
        if (left is not { } time || time > TimeSpan.Zero)
            return null;
        around.Events.RequestTooLate(request.Queue, -time);
        return AmqpSettlement.Ack;
    }

    internal override void Remember(AmqpDelivery request, Exception refusal)
    {
        lock (_refused)
        {
            if (_refused.Count == MaxRefused)
                _refused.RemoveAt(0);
            _refused[KeyOf(request)] = refusal;
        }
    }

    internal override void TellOfLostReply(string queue, Exception error)
        => around.Events.ReplyNotDelivered(queue, error);

    internal override void Ended(ReplyJob reply, Exception? error)
    {
        if (reply.Observed is not null || (error is not null && !reply.IsLost)) // otherwise there is nothing to be told
            EndOffThread(reply, error);
    }

    private void EndOffThread(ReplyJob reply, Exception? error)
        => UserCode.RunAsync(() => EndAsync(reply, error)).Forget();

    private async Task EndAsync(ReplyJob reply, Exception? error)
    {
        if (error is null)
            reply.Observed?.Value.Confirmed();
        else
            reply.Observed?.Value.Failed(error);
        if (error is null || reply.IsLost)
            return;
        reply.Request.SettleUnanswered(await FailAsync(reply.Request, error).ConfigureAwait(false));
    }

    private async ValueTask<AmqpSettlement> ReplyAsync(AmqpDelivery request, AmqpMessage reply)
    {
        Outgoing addressed = Addressed(request, reply);
        try
        {
            MessageCheck.Validate(addressed, around.MaxMessageSize);
            if (request.IsSettled) // by hand, or when it came: its acknowledgement cannot wait for the reply
            {
                await around.Client.PublishAsync(addressed.ToMessage()).ConfigureAwait(false);
                return AmqpSettlement.Ack;
            }
            if (!around.Credit.TryTake(reply.Body.Length))
                await around.WaitForCredit(reply.Body.Length).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            return await FailAsync(request, error).ConfigureAwait(false);
        }
        HandOver(request, addressed);
        return AmqpSettlement.Ack;
    }

    private void HandOver(AmqpDelivery request, in Outgoing reply)
    {
        bool isObserved = around.Observer.SeesSends;
        ClientObserver.Sending sending = isObserved
            ? around.Observer.Begin(Operation.Publish, reply.ToMessage()) : default;
        bool outlivesCaller = !EndsWithCaller(request.Message.ReplyTo!);
        long now = around.Clock.Now;
        var job = new ReplyJob(this, request, isObserved ? sending.Message : reply.Message, now,
            now + around.PublishTimeout.Ticks, around.Credit)
        {
            OutlivesCaller = outlivesCaller,
            Observed = isObserved && outlivesCaller ? new StrongBox<ClientObserver.Sending>(sending) : null,
        };
        if (!request.Answer(job))
            job.Lose(); // settled by hand just now
        if (isObserved && !outlivesCaller)
            sending.HandedOver();
    }

    // Known not to have arrived: the caller need not wait for its deadline. Unknown: a second reply would be a
    // duplicate. Not sent: its caller still waits, and another try may reach it.
    private async ValueTask<AmqpSettlement> FailAsync(AmqpDelivery request, Exception error)
    {
        TellOfLostReply(request.Queue, error);
        if (error is AmqpException { Outcome: AmqpOutcome.NotSent }
            && !(TimeLeft(around.Clock, request.Message) <= TimeSpan.Zero))
            return AmqpSettlement.Requeue;
        bool isLost = error is ArgumentException
            or AmqpException { Outcome: AmqpOutcome.Refused or AmqpOutcome.Returned or AmqpOutcome.Nacked };
        if (!isLost || request.Fault is not null)
            return AmqpSettlement.Ack;
        request.Fault = error;
        try
        {
            // Not on the serving channel, which a second refusal would close again
            AmqpMessage fault = Fault(error, options, "The reply could not be sent: ");
            await around.Client.PublishAsync(Addressed(request, fault).ToMessage()).ConfigureAwait(false);
            return AmqpSettlement.Ack;
        }
        catch (Exception second)
        {
            return await FailAsync(request, second).ConfigureAwait(false);
        }
    }

    // A source with its timer is most of what a request would allocate. One that has not fired serves the next request,
    // and nothing that was registered on it is left then.
    private CancellationTokenSource Rent(TimeSpan? left)
    {
        if (around.Clock.Time != TimeProvider.System)
            return left is { } timeout ? new CancellationTokenSource(timeout, around.Clock.Time) : new();
        CancellationTokenSource source = Interlocked.Exchange(ref _spare, null) ?? new();
        if (left is { } time)
            source.CancelAfter(time);
        return source;
    }

    private void Return(CancellationTokenSource source)
    {
        if (around.Clock.Time != TimeProvider.System || !source.TryReset())
            source.Dispose();
        else
            Interlocked.Exchange(ref _spare, source)?.Dispose();
    }

    private Exception? TakeRefused(AmqpDelivery request)
    {
        lock (_refused)
            return _refused.Count > 0 && _refused.Remove(KeyOf(request), out Exception? refusal) ? refusal : null;
    }

    // A peer may leave out the ids.
    private static (string?, string?, string?, int) KeyOf(AmqpDelivery request)
    {
        var body = new HashCode();
        body.AddBytes(request.Body.Span);
        AmqpMessage message = request.Message;
        return (message.ReplyTo, message.CorrelationId, message.MessageId, body.ToHashCode());
    }

    internal static Outgoing Addressed(AmqpDelivery request, AmqpMessage reply) => new(reply)
    {
        Exchange = "",
        RoutingKey = request.Message.ReplyTo!,
        CorrelationId = request.Message.CorrelationId,
        Mandatory = !IsDirect(request.Message.ReplyTo!),
        Answers = request.Message,
    };

    // RabbitMQ delivers to a direct reply-to address without a queue, and returns the reply all the same when it is
    // mandatory (3.10).
    private static bool IsDirect(string replyTo)
        => replyTo.StartsWith("amq.rabbitmq.reply-to.", StringComparison.Ordinal);

    // A server-named queue is made for one connection: no caller waits for what it would outlive that for.
    private static bool EndsWithCaller(string replyTo)
        => IsDirect(replyTo) || replyTo.StartsWith("amq.gen-", StringComparison.Ordinal);

    internal static AmqpMessage Fault(Exception error, AmqpServeOptions options, string prefix = "")
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
    private static TimeSpan? TimeLeft(MonotonicClock clock, AmqpMessage request)
    {
        if (request.Headers is not { } headers || !headers.TryGetValue(Outgoing.DeadlineHeader, out object? value)
            || value is not long milliseconds)
            return null;
        long now = clock.Time.GetUtcNow().ToUnixTimeMilliseconds();
        // Clamped before anything is computed with it: a peer may write any number there.
        return TimeSpan.FromMilliseconds(Math.Clamp(milliseconds, now - TimeSpan.MillisecondsPerDay,
            now + 7 * TimeSpan.MillisecondsPerDay) - now);
    }
}
