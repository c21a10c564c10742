using SafeAmqp.Actor;
using SafeAmqp.Publishing;
using SafeAmqp.Telemetry;

namespace SafeAmqp;

public sealed partial class AmqpClient
{
    /// <inheritdoc/>
    public ValueTask PublishAsync(AmqpMessage message, CancellationToken cancellationToken = default)
    {
        MessageCheck.Validate(message, _options.MaxMessageSize);
        Start();
        if (cancellationToken.IsCancellationRequested)
            return ValueTask.FromCanceled(cancellationToken);
        return _observer.SeesSends ? PublishObservedAsync(message, cancellationToken) : PublishUnobservedAsync(message, cancellationToken);
    }

    internal ValueTask PublishUnobservedAsync(AmqpMessage message, CancellationToken cancellationToken)
    {
        long now = _clock.Now;
        if (!_credit.TryTake(message.Body.Length))
            return PublishInTurnAsync(message, now, cancellationToken);
        var job = new PublishJob(Identified(message), now, now + _options.PublishTimeout.Ticks, _credit);
        Send(job, cancellationToken);
        return job.Task;
    }

    /// <inheritdoc/>
    public ValueTask PostAsync(AmqpMessage message, CancellationToken cancellationToken = default)
    {
        MessageCheck.Validate(message, _options.MaxMessageSize);
        Start();
        if (cancellationToken.IsCancellationRequested)
            return ValueTask.FromCanceled(cancellationToken);
        return _observer.SeesSends ? PostObservedAsync(message, cancellationToken) : PostUnobservedAsync(message, cancellationToken);
    }

    private ValueTask PostUnobservedAsync(AmqpMessage message, CancellationToken cancellationToken)
    {
        long now = _clock.Now;
        if (!_credit.TryTake(message.Body.Length))
            return PostInTurnAsync(message, now, cancellationToken);
        var job = new PostJob(message, now, now + _options.PublishTimeout.Ticks, _credit);
        Send(job, cancellationToken);
        return job.Task;
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<AmqpPublishResult>> PublishAllAsync(IReadOnlyList<AmqpMessage> messages, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        foreach (AmqpMessage message in messages)
            MessageCheck.Validate(message, _options.MaxMessageSize);
        Start();
        if (messages.Count > 0 && _observer.SeesSends)
            return await PublishAllObservedAsync(messages, cancellationToken).ConfigureAwait(false);
        return await PublishAllUnobservedAsync(messages, cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask<IReadOnlyList<AmqpPublishResult>> PublishAllUnobservedAsync(IReadOnlyList<AmqpMessage> messages, CancellationToken cancellationToken)
    {
        var results = new AmqpPublishResult[messages.Count];
        var jobs = new PublishJob?[messages.Count];
        for (int i = 0; i < jobs.Length; i++)
        {
            long now = _clock.Now;
            try
            {
                cancellationToken.ThrowIfCancellationRequested();
                var job = new PublishJob(Identified(messages[i]), now, now + _options.PublishTimeout.Ticks, _credit);
                if (_credit.TryTake(job.Size))
                    Send(job, cancellationToken);
                else
                    await SendInTurnAsync(job, now, cancellationToken).ConfigureAwait(false);
                jobs[i] = job;
            }
            catch (Exception error) when (error is AmqpException or OperationCanceledException or ObjectDisposedException)
            {
                results[i] = Failed(messages[i], error);
            }
        }
        for (int i = 0; i < jobs.Length; i++)
        {
            if (jobs[i] is not { } job)
                continue;
            try
            {
                await job.Task.ConfigureAwait(false);
                results[i] = new AmqpPublishResult(AmqpOutcome.Confirmed, null);
            }
            catch (Exception error) when (error is AmqpException or OperationCanceledException or ObjectDisposedException)
            {
                results[i] = Failed(messages[i], error);
            }
        }
        return results;
    }

    private async ValueTask PublishInTurnAsync(AmqpMessage message, long now, CancellationToken cancellationToken)
    {
        var job = new PublishJob(Identified(message), now, now + _options.PublishTimeout.Ticks, _credit);
        await SendInTurnAsync(job, now, cancellationToken).ConfigureAwait(false);
        await job.Task.ConfigureAwait(false);
    }

    private async ValueTask PostInTurnAsync(AmqpMessage message, long now, CancellationToken cancellationToken)
    {
        var job = new PostJob(message, now, now + _options.PublishTimeout.Ticks, _credit);
        await SendInTurnAsync(job, now, cancellationToken).ConfigureAwait(false);
        await job.Task.ConfigureAwait(false);
    }

    // The registration comes first: a token that fires between finds the job not yet accepted, and the actor then ignores it.
    private void Send(OutgoingJob job, CancellationToken cancellationToken)
    {
        if (cancellationToken.CanBeCanceled)
        {
            job.CancellationToken = cancellationToken;
            job.CancelRegistration = cancellationToken.UnsafeRegister(static state =>
            {
                var (thread, job) = ((IoThread, OutgoingJob))state!;
                thread.Post(new ActorCommand.Cancel(job));
            }, (_send.Thread, job));
        }
        _send.Thread.PostOrAbandon(job);
    }

    private ValueTask SendInTurnAsync(OutgoingJob job, long now, CancellationToken cancellationToken)
        => WaitForCreditAsync(_credit, job.Size, job.Deadline, now, "publishes", cancellationToken, () => Send(job, cancellationToken));

    private async ValueTask WaitForCreditAsync(Credit credit, int size, long deadline, long now, string what, CancellationToken cancellationToken, Action? granted = null)
    {
        if (_options.WhenFull == AmqpWhenFull.Fail)
        {
            AmqpClientStatus full = Status;
            throw new AmqpNotSentException($"Nothing was sent: {credit.Messages} {what} ({credit.Bytes} bytes) are pending, which is the bound: {WaitReason.NotSent(full)}. {full}") { Status = full };
        }
        Credit.Waiter waiter = credit.Wait(size, deadline, granted);
        _send.Thread.Wake(); // it keeps the deadline
        using CancellationTokenRegistration withdrawal = cancellationToken.UnsafeRegister(static state => ((Credit.Waiter)state!).Withdraw(), waiter);
        if (await waiter.Completion.Task.ConfigureAwait(false))
            return;
        cancellationToken.ThrowIfCancellationRequested();
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        string waited = StatusText.Seconds(TimeSpan.FromTicks(_clock.Now - now));
        AmqpClientStatus status = Status;
        throw new AmqpNotSentException($"Nothing was sent: timed out after {waited} in the line of callers, as {credit.Messages} {what} ({credit.Bytes} bytes) are pending, "
            + $"which is the bound: {WaitReason.NotSent(status)}. {status}", new TimeoutException($"Timed out after {waited}."))
        {
            Status = status,
        };
    }

    private AmqpMessage Identified(AmqpMessage message)
        => message.MessageId is null && _options.InFlight == AmqpInFlightPolicy.Republish ? message with { MessageId = Guid.NewGuid().ToString("N") } : message;

    private static AmqpPublishResult Failed(AmqpMessage message, Exception error)
    {
        AmqpException known = error as AmqpException ?? new AmqpNotSentException(
            $"The {message} was not sent: {(error is OperationCanceledException ? "it was cancelled" : "the client was disposed")}.", error);
        return new AmqpPublishResult(known.Outcome ?? AmqpOutcome.NotSent, known);
    }
}
