using System.Collections.Concurrent;
using System.Threading.Channels;
using SafeAmqp.Consuming;

namespace SafeAmqp.Rpc;

/// <summary>The headers by which a request has many replies.</summary>
internal static class ManyHeaders
{
    /// <summary>Of a request, and of what its caller says later: how many replies may be sent in all, as a 64-bit
    /// integer.</summary>
    internal const string Credit = "x-safeamqp-credit";

    /// <summary>Of what a caller says: the replies are not read any more.</summary>
    internal const string Cancel = "x-safeamqp-cancel";

    /// <summary>Of a reply: which run of the server's handler it is of. What its caller says has it as correlation
    /// id.</summary>
    internal const string Stream = "x-safeamqp-stream";

    /// <summary>Of a reply: its number, from 0, as a 64-bit integer. What has none says that the server has
    /// begun.</summary>
    internal const string Sequence = "x-safeamqp-sequence";

    /// <summary>Of what comes after the last reply, and is none.</summary>
    internal const string Last = "x-safeamqp-last";

    internal static T? Get<T>(AmqpMessage message, string name)
        => message.Headers is { } headers && headers.TryGetValue(name, out object? value) && value is T found
            ? found : default;
}

/// <summary>One end of a request with many replies: what comes for it.</summary>
internal abstract class Conversation
{
    internal abstract void Take(AmqpMessage message, DeliveryFlaw? flaw);

    /// <summary>The link that brings its messages was lost. Called on the I/O thread.</summary>
    internal abstract void Lose(string why);
}

/// <summary>The requests with many replies that a client makes or answers. One exclusive queue brings the replies to
/// the one kind, and to the other what callers say to their servers: how much more may come, or that none is
/// read any more.</summary>
internal sealed class Conversations(IAmqpClient client, Func<AmqpMessage, ValueTask> post,
    Func<string, AmqpHandler, Task<AmqpSubscription>> consume)
{
    private readonly Lock _gate = new();
    private readonly ConcurrentDictionary<string, Conversation> _open = [];
    private Task<string>? _queue;

    /// <summary>Ensures that the queue is consumed.</summary>
    /// <returns>Its name.</returns>
    internal Task<string> OpenAsync()
    {
        lock (_gate)
            return _queue is { IsFaulted: false, IsCanceled: false } ? _queue : _queue = ConsumeAsync();
    }

    internal void Add(string id, Conversation conversation) => _open[id] = conversation;

    internal void Remove(string id) => _open.TryRemove(id, out _);

    internal void Lose(string why)
    {
        foreach (Conversation conversation in _open.Values)
            conversation.Lose(why);
    }

    /// <summary>Says something to a server, once: what matters is said again and again.</summary>
    internal void Tell(string server, string stream, string header, object value)
    {
        TellAsync().Forget();
        async Task TellAsync() => await post(new AmqpMessage
        {
            RoutingKey = server,
            CorrelationId = stream,
            Persistent = false,
            Mandatory = false,
            Headers = new Dictionary<string, object?> { [header] = value },
        }).ConfigureAwait(false);
    }

    /// <summary>Tells a server that its replies are not read any more.</summary>
    internal void TellLeft(string server, string stream) => Tell(server, stream, ManyHeaders.Cancel, true);

    private async Task<string> ConsumeAsync()
    {
        var queue = AmqpQueue.Own("replies.");
        try
        {
            await client.DeclareAsync(new AmqpTopology().With(queue)).ConfigureAwait(false);
            await consume(queue.Name, HandleAsync).ConfigureAwait(false);
            return queue.Name;
        }
        catch
        {
            client.DeleteAsync(new AmqpTopology().With(queue)).Forget();
            throw;
        }
    }

    private ValueTask<AmqpSettlement> HandleAsync(AmqpDelivery delivery, CancellationToken lost)
    {
        AmqpMessage message = delivery.Message;
        if (message.CorrelationId is { } id && _open.TryGetValue(id, out Conversation? conversation))
            conversation.Take(message, delivery.Flaw);
        else if (message is { ReplyTo: { Length: > 0 } server }
            && ManyHeaders.Get<string>(message, ManyHeaders.Stream) is { } stream)
            TellLeft(server, stream); // it was left before its first reply came
        return new(AmqpSettlement.Ack);
    }
}

/// <summary>The caller's end: the replies in their order, each once.</summary>
internal sealed class ManyReplies : Conversation, IDisposable
{
    /// <summary>How often a server is told that its caller is there.</summary>
    private static readonly TimeSpan Repeat = TimeSpan.FromSeconds(10);

    private readonly Lock _gate = new();
    private readonly Channel<AmqpReply> _replies = Channel.CreateUnbounded<AmqpReply>();
    private readonly Conversations _all;
    private readonly AmqpMessage _request;
    private readonly int _prefetch;
    private readonly TimeProvider _time;
    private readonly Func<AmqpClientStatus> _status;
    private readonly long _began;
    private readonly ITimer _repeat;
    private (string Queue, string Stream)? _server;
    private long _next;
    private long _allowed;
    private long _taken;
    private bool _isSent;
    private bool _hasEnded;

    internal ManyReplies(Conversations all, AmqpMessage request, string id, int prefetch, TimeProvider time,
        Func<AmqpClientStatus> status)
    {
        (_all, _request, Id, _prefetch, _time, _status) = (all, request, id, prefetch, time, status);
        _began = time.GetTimestamp();
        _allowed = prefetch;
        _repeat = time.CreateTimer(static replies => ((ManyReplies)replies!).Grant(), this, Repeat, Repeat);
        all.Add(id, this);
    }

    internal string Id { get; }

    /// <summary>The request leaves: from now on a lost link loses replies.</summary>
    internal void Begin()
    {
        lock (_gate)
            _isSent = true;
    }

    /// <returns>Null after the last.</returns>
    internal async ValueTask<AmqpReply?> NextAsync(TimeSpan idleTimeout, CancellationToken cancellationToken)
    {
        AmqpReply? reply;
        while (!_replies.Reader.TryRead(out reply))
        {
            Task<bool> more = _replies.Reader.WaitToReadAsync(CancellationToken.None).AsTask();
            try
            {
                await more.WaitOrLeaveAsync(idleTimeout, _time, cancellationToken).ConfigureAwait(false);
            }
            catch (TimeoutException timeout)
            {
                throw NoReply($"none came within {Telemetry.StatusText.Seconds(idleTimeout)}", timeout);
            }
            if (!await more.ConfigureAwait(false))
                return null;
        }
        return reply;
    }

    /// <summary>The caller is done with a reply.</summary>
    internal void Done()
    {
        lock (_gate)
        {
            if (_allowed - ++_taken > _prefetch / 2)
                return;
            _allowed = _taken + _prefetch;
        }
        Grant();
    }

    internal override void Lose(string why)
    {
        lock (_gate)
        {
            if (_isSent)
                End(NoReply($"the way back was lost: {why}"));
        }
    }

    internal override void Take(AmqpMessage message, DeliveryFlaw? flaw)
    {
        lock (_gate)
        {
            string? stream = ManyHeaders.Get<string>(message, ManyHeaders.Stream);
            if (_hasEnded && stream is not null && _server is null) // the loop was left just before its first reply
                _all.TellLeft(message.ReplyTo ?? "", stream);
            if (_hasEnded)
                return;
            if (flaw is not null)
                End(NoReply($"one came that cannot be read: {flaw.Reason}"));
            else if (stream is not null)
                Take(message, (message.ReplyTo ?? "", stream));
            else if (ManyHeaders.Get<object>(message, CallHeaders.Fault) is { } fault)
                End(CallErrors.Remote(_request, message, fault));
            else if (_next == 0) // a server that answers once
            {
                Add(message);
                End(null);
            }
        }
    }

    /// <summary>The loop is left. A server that is not done is told so.</summary>
    public void Dispose()
    {
        _repeat.Dispose();
        _all.Remove(Id);
        (string Queue, string Stream)? server;
        lock (_gate)
        {
            server = _hasEnded ? null : _server;
            _hasEnded = true;
        }
        if (server is var (queue, stream))
            _all.TellLeft(queue, stream);
    }

    private void Take(AmqpMessage message, (string Queue, string Stream) server)
    {
        if (_server is { } before && before != server && _next > 0)
        {
            _all.TellLeft(server.Queue, server.Stream);
            End(NoReply("their server was lost, and the request has begun anew"));
            return;
        }
        _server = server;
        if (ManyHeaders.Get<object>(message, ManyHeaders.Sequence) is not long sequence || sequence < _next)
            return; // it has begun, or was published twice
        if (ManyHeaders.Get<object>(message, CallHeaders.Fault) is { } fault)
            End(CallErrors.Remote(_request, message, fault));
        else if (sequence > _next)
            Stop($"{sequence - _next} were lost on their way");
        else if (ManyHeaders.Get<bool>(message, ManyHeaders.Last))
            End(null);
        else if (sequence >= _allowed)
            Stop($"the server sent more than the {_allowed} that it was allowed");
        else
            Add(message);
    }

    private void Add(AmqpMessage reply)
    {
        _next++;
        _replies.Writer.TryWrite(new AmqpReply(reply, _time.GetElapsedTime(_began)));
    }

    private void Stop(string why)
    {
        if (_server is var (queue, stream))
            _all.TellLeft(queue, stream);
        End(NoReply(why));
    }

    private void End(Exception? error)
    {
        if (_hasEnded)
            return;
        _hasEnded = true;
        _replies.Writer.TryComplete(error);
    }

    private AmqpException NoReply(string why, Exception? inner = null)
        => CallErrors.NoReply(_request, AmqpOutcome.Confirmed, $"after {_next} replies {why}", _status(), inner);

    // In all, so that it may be said again and again.
    private void Grant()
    {
        long allowed;
        (string Queue, string Stream)? server;
        lock (_gate)
            (allowed, server) = (_allowed, _hasEnded ? null : _server);
        if (server is var (queue, stream))
            _all.Tell(queue, stream, ManyHeaders.Credit, allowed);
    }
}
