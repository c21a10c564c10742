using System.Runtime.CompilerServices;
using System.Text;
using SafeAmqp.Actor;
using SafeAmqp.Consuming;
using SafeAmqp.Publishing;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Rpc;

/// <summary>A call: it sends a request, then waits for the reply.</summary>
internal sealed class CallJob(AmqpMessage request, AmqpReplyAddress replyTo, string correlationId, long acceptedAt,
    long deadline, long wallDeadline, Credit credit, Credit slots) : OutgoingJob(request, acceptedAt, deadline, credit)
{
    private readonly Completion<AmqpReply> _completion = new();
    private PendingCalls? _pending;
    private CloseReason? _requestEnd;
    private bool _confirmed;
    private bool _hasLeft;

    internal ValueTask<AmqpReply> Task => _completion.Task;
    internal string CorrelationId => correlationId;
    internal AmqpReplyAddress ReplyTo => replyTo;

    /// <summary>Whether it waits for an address that is made anew on each link.</summary>
    internal override bool NeedsAddress => replyTo is AmqpReplyAddress.OwnedReplyAddress;

    internal override bool KeepsOwnDeadline => true;

    /// <summary>It waits for something else than the broker. When its request was sent, the reply counts as
    /// late.</summary>
    internal override bool MayBeCancelled => true;

    /// <summary>Whether its reply can still come when the link is lost.</summary>
    private bool OutlivesLink => replyTo is AmqpReplyAddress.FixedReplyAddress;

    /// <summary>What is known of the request.</summary>
    internal AmqpOutcome RequestOutcome
        => !WasPassed ? AmqpOutcome.NotSent : _confirmed ? AmqpOutcome.Confirmed : AmqpOutcome.Unknown;

    internal void Register(PendingCalls pending) => _pending = pending;

    /// <summary>The request as it leaves now: where to reply, until when it is worth working on.</summary>
    internal override Outgoing ToWire(long now, string? replyAddress) => new(Message)
    {
        Mandatory = true,
        ReplyTo = replyAddress ?? (replyTo as AmqpReplyAddress.FixedReplyAddress)?.QueueName,
        CorrelationId = correlationId,
        Expiration = TimeSpan.FromMilliseconds(Math.Max(1, (Deadline - now) / TimeSpan.TicksPerMillisecond)),
        Deadline = wallDeadline,
    };

    /// <summary>With a fixed reply queue the wait for the reply goes on.</summary>
    internal override bool Outlives(CloseReason end)
    {
        if (!OutlivesLink)
            return false;
        _requestEnd = end;
        ReleaseCredit(); // nothing of it is on its way any more, and its reply gives none back
        return true;
    }

    internal void Reply(AmqpMessage reply, long now)
    {
        MarkEnded();
        Leave();
        if (reply.Headers is { } headers && headers.TryGetValue(CallHeaders.Fault, out object? fault))
            _completion.TryFail(CallErrors.Remote(Message, reply, fault));
        else
            _completion.TryComplete(new AmqpReply(reply, TimeSpan.FromTicks(now - AcceptedAt)));
    }

    /// <summary>No reply can come, or none came in time.</summary>
    internal void GiveUp(string why, AmqpClientStatus status, Exception? inner)
        => End(WasPassed
            ? CallErrors.NoReply(Message, RequestOutcome,
                _requestEnd is null ? why : $"{why}; before that the link was lost: {_requestEnd.Describe()}", status,
                    inner)
            : JobErrors.NotSent(this, why, status, inner));

    protected override void OnConfirmed() => _confirmed = true;

    protected override void Fail(Exception error)
    {
        Leave();
        _completion.TryFail(error);
    }

    // A call may end before it got into the table; its place was taken all the same.
    private void Leave()
    {
        if (_hasLeft)
            return;
        _hasLeft = true;
        _pending?.Remove(this);
        slots.Release(0);
    }
}

/// <summary>The headers that calls use beyond AMQP's own properties and
/// <see cref="Outgoing.DeadlineHeader"/>.</summary>
internal static class CallHeaders
{
    /// <summary>Marks a reply as a fault; its value is the type of the exception, its body the message as
    /// UTF-8.</summary>
    internal const string Fault = "x-safeamqp-fault";
}

/// <summary>The exceptions in which calls end once their request was sent.</summary>
internal static class CallErrors
{
    internal const int MaxFaultText = 2000;

    internal static AmqpException NoReply(AmqpMessage request, AmqpOutcome outcome, string why, AmqpClientStatus status,
        Exception? inner)
    {
        string fate = outcome == AmqpOutcome.Confirmed ? "The broker had confirmed the request"
            : "The request may or may not have arrived";
        return new AmqpNoReplyException($"No reply to the {request}: {why}. {fate}.", outcome, inner, status);
    }

    internal static AmqpRemoteException Remote(AmqpMessage request, AmqpMessage reply, object? fault)
    {
        string type = Telemetry.StatusText.Printable(fault as string ?? "unknown", 200);
        const int MostOctets = 3; // of a character
        ReadOnlySpan<byte> octets = reply.Body.Span[..Math.Min(reply.Body.Length, MostOctets * MaxFaultText)];
        string text = Telemetry.StatusText.Printable(Encoding.UTF8.GetString(octets), MaxFaultText);
        return new AmqpRemoteException($"The other side failed on the {request}: "
            + $"{type}{(text.Length == 0 ? "" : $": {text}")}", type);
    }
}

/// <summary>What a serving channel tells its server, on the I/O thread: none of it may run user code there.</summary>
internal abstract class RequestServer
{
    internal ConsumerChannel NewChannel(ConnectionActor actor, ConsumerSet consumers, Subscription subscription)
        => new ServingChannel(actor, consumers, subscription, this);

    /// <summary>The channel was closed over the reply to a request, which comes again, here or elsewhere: answered as
    /// before it would close the next one.</summary>
    internal abstract void Remember(AmqpDelivery request, Exception refusal);

    /// <summary>A reply did not get to its caller, and its request is settled.</summary>
    internal abstract void TellOfLostReply(string queue, Exception error);

    /// <summary>What became of a reply that was handed over: no error when it is out of our hands. With one that is not
    /// lost with its channel, the request is still to be settled.</summary>
    internal abstract void Ended(ReplyJob reply, Exception? error);
}

/// <summary>A reply on its way to its caller.</summary>
internal sealed class ReplyJob : OutgoingJob
{
    private readonly RequestServer _server;

    internal ReplyJob(RequestServer server, AmqpDelivery request, AmqpMessage reply, long acceptedAt, long deadline,
        Credit credit) : base(reply, acceptedAt, deadline, credit)
    {
        _server = server;
        Request = request;
        IsSuspect = request.IsRedelivered;
    }

    internal AmqpDelivery Request { get; }

    /// <summary>With its address, for all that report it: a copy each time.</summary>
    internal override AmqpMessage Message => RpcServer.Addressed(Request, base.Message).ToMessage();

    /// <summary>Whether its queue may be there when its caller is not: its request is acknowledged when it is
    /// confirmed.</summary>
    internal bool OutlivesCaller { get; init; }

    /// <summary>What observes it until it has its outcome.</summary>
    internal StrongBox<ClientObserver.Sending>? Observed { get; init; }

    /// <summary>Whether its channel has taken it: what settles its request after that is its failure.</summary>
    internal bool IsTaken { get; set; }

    /// <summary>Whether its request comes again.</summary>
    internal bool IsLost { get; private set; }

    internal override Outgoing ToWire(long now, string? replyAddress) => RpcServer.Addressed(Request, base.Message);

    /// <summary>Its channel is gone before it was done with: the broker delivers its request again.</summary>
    internal void Lose()
    {
        if (HasEnded)
            return;
        IsLost = true;
        End(new AmqpUnknownOutcomeException($"The {Message} was lost with its channel; its request comes again."));
    }

    protected override void OnConfirmed()
    {
        MarkEnded();
        _server.Ended(this, null);
    }

    protected override void Fail(Exception error)
    {
        IsLost |= error is ObjectDisposedException;
        _server.Ended(this, error);
    }
}
