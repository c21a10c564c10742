using System.Runtime.CompilerServices;
using SafeAmqp.Actor;
using SafeAmqp.Owner;
using SafeAmqp.Publishing;
using SafeAmqp.Telemetry;

namespace SafeAmqp;

public sealed partial class AmqpClient
{
    /// <inheritdoc/>
    public ValueTask PublishAsync(AmqpMessage message, CancellationToken cancellationToken = default)
        => SendAsync(message, isPost: false, _options.PublishTimeout, cancellationToken);

    /// <inheritdoc/>
    public ValueTask PublishAsync(AmqpMessage message, TimeSpan timeout, CancellationToken cancellationToken = default)
    {
        AmqpClientOptions.CheckPublishTimeout(timeout, nameof(timeout));
        return SendAsync(message, isPost: false, timeout, cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask PostAsync(AmqpMessage message, CancellationToken cancellationToken = default)
        => SendAsync(message, isPost: true, _options.PublishTimeout, cancellationToken);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<AmqpPublishResult>> PublishAllAsync(IReadOnlyList<AmqpMessage> messages,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        foreach (AmqpMessage message in messages)
            MessageCheck.Validate(message, _options.MaxMessageSize);
        Start();
        ClientObserver.SendingBatch? sending = messages.Count > 0 && _observer.SeesSends
            ? _observer.BeginBatch(messages) : null;
        try
        {
            var results = await SendAllAsync(sending?.Messages ?? messages, cancellationToken).ConfigureAwait(false);
            sending?.Ended(results);
            return results;
        }
        catch (Exception error)
        {
            sending?.Failed(error);
            throw;
        }
    }

    private async Task<IReadOnlyList<AmqpPublishResult>> SendAllAsync(IReadOnlyList<AmqpMessage> messages,
        CancellationToken cancellationToken)
    {
        var results = new AmqpPublishResult[messages.Count];
        var jobs = new PublishJob?[messages.Count];
        for (int i = 0; i < jobs.Length; i++)
        {
            try
            {
                cancellationToken.ThrowIfCancellationRequested();
                PublishJob job = NewJob(messages[i], isPost: false, _options.PublishTimeout);
                if (_credit.TryTake(job.Size))
                    Send(job, cancellationToken);
                else
                    await EnterInTurnAsync(job, cancellationToken).ConfigureAwait(false);
                jobs[i] = job;
            }
            catch (Exception error) when (IsOutcome(error))
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
            catch (Exception error) when (IsOutcome(error))
            {
                results[i] = Failed(messages[i], error);
            }
        }
        return results;
    }

    private ValueTask SendAsync(AmqpMessage message, bool isPost, TimeSpan timeout, CancellationToken cancellationToken)
    {
        MessageCheck.Validate(message, _options.MaxMessageSize);
        Start();
        if (cancellationToken.IsCancellationRequested)
            return ValueTask.FromCanceled(cancellationToken);
        return _observer.SeesSends
            ? SendObservedAsync(message, isPost, timeout, cancellationToken)
            : SendUnobservedAsync(message, isPost, timeout, cancellationToken);
    }

    internal ValueTask SendUnobservedAsync(AmqpMessage message, bool isPost, TimeSpan timeout,
        CancellationToken cancellationToken)
        => SendAsync(NewJob(message, isPost, timeout), cancellationToken);

    private ValueTask SendAsync(PublishJob job, CancellationToken cancellationToken)
    {
        if (!_credit.TryTake(job.Size))
            return SendInTurnAsync(job, cancellationToken);
        Send(job, cancellationToken);
        return job.Task;
    }

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    private async ValueTask SendObservedAsync(AmqpMessage message, bool isPost, TimeSpan timeout,
        CancellationToken cancellationToken)
    {
        ClientObserver.Sending sending = _observer.Begin(Operation.Publish, message);
        try
        {
            await SendUnobservedAsync(sending.Message, isPost, timeout, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            sending.Failed(error);
            throw;
        }
        if (isPost)
            sending.HandedOver();
        else
            sending.Confirmed();
    }

    private async ValueTask SendInTurnAsync(PublishJob job, CancellationToken cancellationToken)
    {
        await EnterInTurnAsync(job, cancellationToken).ConfigureAwait(false);
        await job.Task.ConfigureAwait(false);
    }

    private PublishJob NewJob(AmqpMessage message, bool isPost, TimeSpan timeout)
    {
        long now = _clock.Now, deadline = now + timeout.Ticks;
        return isPost
            ? new PostJob(message, now, deadline, _credit)
            : new PublishJob(Identified(message), now, deadline, _credit);
    }

    // The registration comes first: a token that is cancelled between finds the job not yet accepted, and the actor
    // then ignores it.
    private void Send(OutgoingJob job, CancellationToken cancellationToken)
    {
        if (cancellationToken.CanBeCanceled)
        {
            job.CancellationToken = cancellationToken;
            job.CancelRegistration = cancellationToken.UnsafeRegister(static state =>
            {
                var (thread, job) = ((IoThread, OutgoingJob))state!;
                thread.Post(new CancelJob(job));
            }, (_send.Thread, job));
        }
        _send.Thread.PostOrAbandon(job);
    }

    private ValueTask EnterInTurnAsync(OutgoingJob job, CancellationToken cancellationToken)
        => WaitForCreditAsync(_credit, job.Size, job.Deadline, job.AcceptedAt, "publishes", cancellationToken,
            () => Send(job, cancellationToken));

    private async ValueTask WaitForCreditAsync(Credit credit, int size, long deadline, long now, string what,
        CancellationToken cancellationToken, Action? granted = null)
    {
        if (_options.FullMode == AmqpFullMode.Fail)
        {
            AmqpClientStatus full = Status;
            throw new AmqpNotSentException(
                $"Not sent: {credit.Messages} {what} ({credit.Bytes} bytes) are pending, which is the limit: "
                    + $"{WaitReason.NotSent(full)}.", inner: null, full);
        }
        Credit.Waiter waiter = credit.Wait(size, deadline, granted);
        _send.Thread.Wake(); // it keeps the deadline
        using CancellationTokenRegistration withdrawal = cancellationToken.UnsafeRegister(
            static state => ((Credit.Waiter)state!).Withdraw(), waiter);
        if (await waiter.Completion.Task.ConfigureAwait(false))
            return;
        cancellationToken.ThrowIfCancellationRequested();
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        string waited = StatusText.Seconds(TimeSpan.FromTicks(_clock.Now - now));
        AmqpClientStatus status = Status;
        throw new AmqpNotSentException(
            $"Not sent: timed out after {waited} waiting for a free slot, as {credit.Messages} {what} "
                + $"({credit.Bytes} bytes) are pending, which is the limit: {WaitReason.NotSent(status)}.",
            new TimeoutException($"Timed out after {waited}."), status);
    }

    private AmqpMessage Identified(AmqpMessage message)
        => message.MessageId is null && _options.InFlight == AmqpInFlightPolicy.Republish
            ? message with { MessageId = Guid.NewGuid().ToString("N") } : message;

    private static bool IsOutcome(Exception error)
        => error is AmqpException or OperationCanceledException or ObjectDisposedException;

    private static AmqpPublishResult Failed(AmqpMessage message, Exception error)
    {
        AmqpException known = error as AmqpException ?? new AmqpNotSentException(
            $"The {message} was not sent: "
                + $"{(error is OperationCanceledException ? "it was cancelled" : "the client was disposed")}.", error);
        return new AmqpPublishResult(known.Outcome ?? AmqpOutcome.NotSent, known);
    }
}
