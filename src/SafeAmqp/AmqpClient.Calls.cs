using System.Buffers.Text;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using SafeAmqp.Actor;
using SafeAmqp.Consuming;
using SafeAmqp.Links;
using SafeAmqp.Publishing;
using SafeAmqp.Rpc;
using SafeAmqp.Telemetry;

namespace SafeAmqp;

public sealed partial class AmqpClient
{
    private const int IdSize = 16;

    [ThreadStatic]
    private static byte[]? _ids;

    [ThreadStatic]
    private static int _idsLeft;

    /// <inheritdoc/>
    public ValueTask<AmqpReply> CallAsync(AmqpMessage request, AmqpCallOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        MessageCheck.ValidateRequest(request, _options.MaxMessageSize);
        options = (options ?? AmqpCallOptions.Default).Validated();
        Start();
        if (cancellationToken.IsCancellationRequested)
            return ValueTask.FromCanceled<AmqpReply>(cancellationToken);
        return _observer.SeesSends ? CallObservedAsync(request, options, cancellationToken)
            : SendAsync(NewCall(request, options), cancellationToken);
    }

    private async ValueTask<AmqpReply> CallObservedAsync(AmqpMessage request, AmqpCallOptions options,
        CancellationToken cancellationToken)
    {
        ClientObserver.Sending sending = _observer.Begin(Operation.Call, request);
        CallJob call = NewCall(sending.Message, options);
        try
        {
            AmqpReply reply = await SendAsync(call, cancellationToken).ConfigureAwait(false);
            sending.Replied(reply.Message);
            return reply;
        }
        catch (Exception error)
        {
            sending.Failed(error, call.RequestOutcome);
            throw;
        }
    }

    private CallJob NewCall(AmqpMessage request, AmqpCallOptions options)
    {
        long now = _clock.Now;
        long wallDeadline = _options.TimeProvider.GetUtcNow().Add(options.Timeout).ToUnixTimeMilliseconds();
        return new(request, options.ReplyTo, request.CorrelationId ?? NewCorrelationId(), now,
            now + options.Timeout.Ticks, wallDeadline, _credit, _callSlots);
    }

    private ValueTask<AmqpReply> SendAsync(CallJob call, CancellationToken cancellationToken)
    {
        if (call.ReplyTo is AmqpReplyAddress.FixedReplyAddress || !_callSlots.TryTake(0))
            return SendInTurnAsync(call, cancellationToken);
        if (!_credit.TryTake(call.Size))
        {
            _callSlots.Release(0);
            return SendInTurnAsync(call, cancellationToken);
        }
        Send(call, cancellationToken);
        return call.Task;
    }

    private async ValueTask<AmqpReply> SendInTurnAsync(CallJob call, CancellationToken cancellationToken)
    {
        if (call.ReplyTo is AmqpReplyAddress.FixedReplyAddress fixedQueue)
            await UntilConsumedAsync(_fixedReplies.EnsureAsync(fixedQueue), $"'{fixedQueue.QueueName}'",
                TimeSpan.FromTicks(call.Deadline - call.AcceptedAt), cancellationToken).ConfigureAwait(false);
        if (!_callSlots.TryTake(0))
            await WaitForCreditAsync(_callSlots, 0, call.Deadline, call.AcceptedAt, "calls",
                cancellationToken).ConfigureAwait(false);
        try
        {
            if (!_credit.TryTake(call.Size))
                await WaitForCreditAsync(_credit, call.Size, call.Deadline, call.AcceptedAt, "publishes",
                    cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            _callSlots.Release(0);
            throw;
        }
        Send(call, cancellationToken);
        return await call.Task.ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public Task<AmqpSubscription> ServeAsync(string queue, AmqpRequestHandler handler,
        AmqpServeOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(handler);
        options ??= AmqpServeOptions.Default;
        var server = new RpcServer(_servers, handler, options);
        return ConsumeAsync(queue, server.HandleAsync, options.Consumer, DeliveryUse.Request, cancellationToken,
            server);
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<AmqpReply> CallManyAsync(AmqpMessage request, AmqpCallManyOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        MessageCheck.ValidateRequest(request, _options.MaxMessageSize);
        options = (options ?? AmqpCallManyOptions.Default).Validated();
        Start();
        return _observer.SeesSends ? ReadRepliesObservedAsync(request, options, cancellationToken)
            : ReadRepliesAsync(request, options, known: null, cancellationToken);
    }

    private async IAsyncEnumerable<AmqpReply> ReadRepliesObservedAsync(AmqpMessage request,
        AmqpCallManyOptions options, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ClientObserver.Sending sending = _observer.Begin(Operation.CallMany, request);
        long taken = 0;
        Exception? failure = null;
        var known = new StrongBox<AmqpOutcome>(AmqpOutcome.NotSent);
        IAsyncEnumerator<AmqpReply> replies = ReadRepliesAsync(sending.Message, options, known, cancellationToken)
            .GetAsyncEnumerator(CancellationToken.None);
        try
        {
            while (await NextAsync().ConfigureAwait(false))
            {
                taken++;
                yield return replies.Current;
            }
        }
        finally
        {
            await replies.DisposeAsync().ConfigureAwait(false);
            sending.Left(taken, failure, known.Value);
        }

        async ValueTask<bool> NextAsync()
        {
            try
            {
                return await replies.MoveNextAsync().ConfigureAwait(false);
            }
            catch (Exception error)
            {
                failure = error;
                throw;
            }
        }
    }

    private async IAsyncEnumerable<AmqpReply> ReadRepliesAsync(AmqpMessage request, AmqpCallManyOptions options,
        StrongBox<AmqpOutcome>? known, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        long now = _clock.Now;
        if (!_callSlots.TryTake(0))
            await WaitForCreditAsync(_callSlots, 0, now + options.IdleTimeout.Ticks, now, "calls", cancellationToken)
                .ConfigureAwait(false);
        try
        {
            using var replies = new ManyReplies(_conversations, request, NewCorrelationId(), options.Prefetch,
                _options.TimeProvider, () => Status);
            await RequestAsync(request, replies, options, cancellationToken).ConfigureAwait(false);
            if (known is not null)
                known.Value = AmqpOutcome.Confirmed;
            while (await replies.NextAsync(options.IdleTimeout, cancellationToken).ConfigureAwait(false) is { } reply)
            {
                yield return reply;
                replies.Done();
            }
        }
        finally
        {
            _callSlots.Release(0);
        }
    }

    private async Task RequestAsync(AmqpMessage request, ManyReplies replies, AmqpCallManyOptions options,
        CancellationToken cancellationToken)
    {
        Task<string> queue = ReplyQueueAsync(options.IdleTimeout, cancellationToken);
        await UntilConsumedAsync(queue, "for many replies", options.IdleTimeout, cancellationToken)
            .ConfigureAwait(false);
        replies.Begin();
        if (_receive.Thread.Actor.State != AmqpLinkState.Open) // lost just now, which the replies may not have heard
            throw new AmqpNotSentException("The request was not sent: the link that brings the replies was lost.",
                inner: null, Status);
        TimeSpan idle = options.IdleTimeout, timeout = idle < _options.PublishTimeout ? idle : _options.PublishTimeout;
        var headers = request.Headers is null ? [] : new Dictionary<string, object?>(request.Headers);
        headers[Outgoing.DeadlineHeader] = _options.TimeProvider.GetUtcNow().Add(idle).ToUnixTimeMilliseconds();
        headers[ManyHeaders.Credit] = (long)options.Prefetch;
        AmqpMessage addressed = request with
        {
            Mandatory = true,
            ReplyTo = await queue.ConfigureAwait(false),
            CorrelationId = replies.Id,
            Expiration = idle,
            Headers = headers,
        };
        MessageCheck.Validate(addressed, _options.MaxMessageSize);
        cancellationToken.ThrowIfCancellationRequested();
        long now = _clock.Now;
        await SendAsync(new RequestJob(Identified(addressed), now, now + timeout.Ticks, _credit),
            cancellationToken).ConfigureAwait(false);
    }

    private async Task<string> ReplyQueueAsync(TimeSpan timeout, CancellationToken cancellationToken)
    {
        string queue = await _conversations.OpenAsync().ConfigureAwait(false);
        await _receive.OpenedAsync().WaitAsync(timeout, _options.TimeProvider, cancellationToken).ConfigureAwait(false);
        return queue;
    }

    /// <inheritdoc/>
    public async Task<AmqpSubscription> ServeManyAsync(string queue, AmqpRepliesHandler handler,
        AmqpServeOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(handler);
        options ??= AmqpServeOptions.Default;
        Start();
        await OrGiveUpAsync(_conversations.OpenAsync(), $"Serving queue '{queue}' was given up", cancellationToken)
            .ConfigureAwait(false);
        return await ConsumeAsync(queue, new ManyServer(_servers, _conversations, handler, options).HandleAsync,
            options.Consumer, DeliveryUse.Request, cancellationToken).ConfigureAwait(false);
    }

    private ValueTask WaitForReplyCreditAsync(int size)
    {
        long now = _clock.Now;
        return WaitForCreditAsync(_credit, size, now + _options.PublishTimeout.Ticks, now, "publishes",
            CancellationToken.None);
    }

    // Where what is published goes, so that an alarm that holds up publishers holds up servers, too, and no plain
    // consumer. An exclusive queue can be consumed on the connection that declared it alone.
    private ClientLink LinkOf(string queue, RpcServer? server)
        => server is null || _topology.QueueNamed(queue) is { Exclusive: true } ? _receive : _send;

    private async Task UntilConsumedAsync(Task consumed, string queue, TimeSpan timeout,
        CancellationToken cancellationToken)
    {
        try
        {
            await consumed.WaitOrLeaveAsync(timeout, _options.TimeProvider, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            throw LeftBehind.GivenUp("The call was cancelled before its request was sent", Status, cancellationToken);
        }
        catch (Exception error) when (error is TimeoutException or AmqpTopologyException)
        {
            AmqpClientStatus status = Status;
            string why = error is TimeoutException
                ? $"timed out after {StatusText.Seconds(timeout)}: {WaitReason.NotDone(status)}." : error.Message;
            throw new AmqpNotSentException($"The request was not sent: reply queue {queue} is not consumed: "
                + $"{why}", error, status);
        }
    }

    // 128 bits, so that no peer can answer a call that it did not receive. The system is asked for many at a time.
    private static string NewCorrelationId()
    {
        if (_idsLeft == 0)
        {
            RandomNumberGenerator.Fill(_ids ??= new byte[IdSize * 64]);
            _idsLeft = _ids.Length / IdSize;
        }
        Span<byte> id = _ids.AsSpan(--_idsLeft * IdSize, IdSize);
        string text = Base64Url.EncodeToString(id);
        id.Clear(); // given out once, and not to be found in memory
        return text;
    }
}
