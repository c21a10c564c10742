using SafeAmqp.Consuming;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Rpc;

/// <summary>Answers requests with many replies each. A request is acknowledged behind its last reply: a server that is
/// lost before is followed by another, which begins anew.</summary>
internal sealed class ManyServer(ServerSurroundings around, Conversations conversations, AmqpRepliesHandler handler,
    AmqpServeOptions options)
{
    /// <summary>How many replies may wait for their confirm.</summary>
    private const int MaxUnconfirmed = 64;

    internal async ValueTask<AmqpSettlement> HandleAsync(AmqpDelivery request, CancellationToken lost)
    {
        if (RpcServer.Unanswered(around, request, out _) is { } settlement)
            return settlement;
        using var run = new Run(around, conversations, request, await conversations.OpenAsync().ConfigureAwait(false),
            lost);
        try
        {
            if (request.Flaw is { } flaw)
                throw new InvalidDataException($"The request cannot be read: {flaw.Reason}");
            if (run.Allowed < 1)
                throw new InvalidOperationException("The request takes one reply, and its server sends many: "
                    + $"{nameof(IAmqpClient.CallManyAsync)} takes them.");
            run.Begin();
            await foreach (AmqpMessage reply in handler(request, run.Abandoned).WithCancellation(run.Abandoned)
                .ConfigureAwait(false))
                await run.SendAsync(reply ?? throw new InvalidOperationException("The handler returned no message."))
                    .ConfigureAwait(false);
            run.Abandoned.ThrowIfCancellationRequested(); // what ended over that is not complete
            await run.EndAsync(new AmqpMessage { Persistent = false }).ConfigureAwait(false);
            return AmqpSettlement.Ack;
        }
        catch (Exception error)
        {
            if (lost.IsCancellationRequested)
                return AmqpSettlement.Requeue; // without effect: the broker has done so
            if (run.IsLeft)
                return AmqpSettlement.Ack;
            if (run.IsSilent)
                error = new CallerGoneException(
                    $"After {run.Sent} replies its caller was silent for {StatusText.Seconds(Run.Silence)}.");
            if (request.Stop.Explains(error) && run.Sent == 0)
                throw; // another server may still answer
            return await FailAsync(request, run, error).ConfigureAwait(false);
        }
    }

    private async ValueTask<AmqpSettlement> FailAsync(AmqpDelivery request, Run run, Exception error)
    {
        if (error is AmqpReturnedException or CallerGoneException)
        {
            Tell(error); // no caller waits for a fault
            return AmqpSettlement.Ack;
        }
        if (request.Stop.Explains(error))
            error = new OperationCanceledException("The server was stopped.");
        else
            around.Events.RequestFailed(request.Queue, error);
        request.Fault = error;
        try
        {
            await run.EndAsync(RpcServer.Fault(error, options)).ConfigureAwait(false);
        }
        catch (Exception second) when (second is AmqpException or OperationCanceledException or ObjectDisposedException)
        {
            Tell(second);
        }
        return AmqpSettlement.Ack;

        void Tell(Exception failure) => around.Events.ReplyNotDelivered(request.Queue, failure);
    }

    private sealed class CallerGoneException(string message) : Exception(message);

    /// <summary>The server's end of one request.</summary>
    private sealed class Run : Conversation, IDisposable
    {
        /// <summary>A caller is heard every 10 s; one that is silent for so long is gone.</summary>
        internal static readonly TimeSpan Silence = TimeSpan.FromSeconds(35);

        private readonly Lock _gate = new();
        private readonly Queue<Task> _unconfirmed = [];
        private readonly CancellationTokenSource _abandoned;
        private readonly ITimer _silence;
        private readonly ServerSurroundings _around;
        private readonly Conversations _all;
        private readonly AmqpDelivery _request;
        private readonly string _queue;
        private readonly string _id = Guid.NewGuid().ToString("N");
        private TaskCompletionSource _heard = New();
        private long _allowed;
        private volatile bool _isLeft, _isSilent;
        private bool _isOver;

        internal Run(ServerSurroundings around, Conversations all, AmqpDelivery request, string queue,
            CancellationToken lost)
        {
            (_around, _all, _request, _queue) = (around, all, request, queue);
            _abandoned = CancellationTokenSource.CreateLinkedTokenSource(lost, request.Stopping);
            Abandoned = _abandoned.Token;
            _allowed = ManyHeaders.Get<long>(request.Message, ManyHeaders.Credit);
            _silence = around.Clock.Time.CreateTimer(static run => ((Run)run!).GiveUp(), this,
                Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            all.Add(_id, this);
        }

        internal CancellationToken Abandoned { get; }

        /// <summary>Whether its caller has said that it reads no more.</summary>
        internal bool IsLeft => _isLeft;

        /// <summary>Whether nothing was heard of its caller for too long.</summary>
        internal bool IsSilent => _isSilent;

        internal long Sent { get; private set; }

        internal long Allowed
        {
            get
            {
                lock (_gate)
                    return _allowed;
            }
        }

        /// <summary>Tells its caller whom to tell that it is there, or that it has left: the first reply may take
        /// long.</summary>
        internal void Begin() => _unconfirmed.Enqueue(BeginAsync());

        /// <summary>Waits until its caller takes another reply, and sends it.</summary>
        internal async ValueTask SendAsync(AmqpMessage reply)
        {
            while (true)
            {
                Task heard;
                lock (_gate)
                {
                    if (Sent < _allowed)
                        break;
                    heard = _heard.Task;
                }
                await heard.WaitAsync(Abandoned).ConfigureAwait(false);
            }
            while (_unconfirmed.TryPeek(out Task? first) && (first.IsCompleted || _unconfirmed.Count == MaxUnconfirmed))
                await _unconfirmed.Dequeue().ConfigureAwait(false);
            Publish(reply, []);
            Sent++;
        }

        /// <summary>Sends what comes after the last reply, and waits until all have arrived.</summary>
        internal async ValueTask EndAsync(AmqpMessage message)
        {
            Publish(message, new() { [ManyHeaders.Last] = true });
            await Task.WhenAll(_unconfirmed).ConfigureAwait(false);
        }

        internal override void Take(AmqpMessage message, DeliveryFlaw? flaw)
        {
            TaskCompletionSource heard;
            lock (_gate)
            {
                if (_isOver)
                    return;
                _isLeft |= ManyHeaders.Get<bool>(message, ManyHeaders.Cancel);
                if (_isLeft)
                    _abandoned.CancelAsync().Forget(); // registered callbacks are user code, and run on the pool
                _allowed = Math.Max(_allowed, ManyHeaders.Get<long>(message, ManyHeaders.Credit));
                (heard, _heard) = (_heard, New());
                _silence.Change(Silence, Timeout.InfiniteTimeSpan);
            }
            heard.TrySetResult();
        }

        internal override void Lose(string why) { } // its delivery says so

        public void Dispose()
        {
            _all.Remove(_id);
            lock (_gate)
                _isOver = true;
            _silence.Dispose();
            _abandoned.Dispose();
            foreach (Task publish in _unconfirmed)
                publish.Forget();
        }

        private async Task BeginAsync()
        {
            await _around.Client.PublishAsync(ToCaller(new AmqpMessage { Persistent = false }, []))
                .ConfigureAwait(false);
            _silence.Change(Silence, Timeout.InfiniteTimeSpan); // it can be expected to say so from now on
        }

        private void GiveUp()
        {
            lock (_gate)
            {
                if (_isOver || _isLeft)
                    return;
                _isSilent = true;
                _abandoned.CancelAsync().Forget();
            }
        }

        private void Publish(AmqpMessage reply, Dictionary<string, object?> headers)
        {
            headers[ManyHeaders.Sequence] = Sent;
            _unconfirmed.Enqueue(_around.Client.PublishAsync(ToCaller(reply, headers)).AsTask());
        }

        private AmqpMessage ToCaller(AmqpMessage reply, Dictionary<string, object?> headers)
        {
            foreach (var (name, value) in reply.Headers ?? new Dictionary<string, object?>())
                headers.TryAdd(name, value);
            headers[ManyHeaders.Stream] = _id;
            return RpcServer.Addressed(_request, reply).ToMessage() with { ReplyTo = _queue, Headers = headers };
        }

        private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
