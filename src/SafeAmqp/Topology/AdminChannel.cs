using SafeAmqp.Actor;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Topology;

/// <summary>Declares and checks, one at a time, on a channel of its own, so that what the broker answers with a closed
/// channel harms nothing else. The channel is replaced after such an answer.</summary>
internal sealed class AdminChannel(ConnectionActor actor, TopologyLedger topology) : ActorChannel(actor)
{
    // AMQP 0-9-1, sections 1.7 and 1.8: the classes whose methods declare.
    private const int ExchangeClass = 40, QueueClass = 50;

    private readonly LinkedList<Operation> _waiting = [];
    private Operation? _running;
    private int _failedOpens;

    /// <summary>How many links in a row ended while the declaration that was under way at the last end was: it may be
    /// why.</summary>
    internal int LinksEnded { get; private set; }

    /// <summary>Whether one waits or is under way that a link may have ended over: it goes alone, so that nothing else
    /// is suspected.</summary>
    internal bool HasSuspect => _running is { IsSuspect: true } || _waiting.Any(operation => operation.IsSuspect);

    /// <summary>Opens the channel: the first answer of a new link, which also shows that the virtual host may be
    /// used.</summary>
    internal override void Prepare()
    {
        if (Incarnation == 0)
            Open(confirms: false, prefetch: 0);
    }

    internal void Enqueue(AdminRequest request, long deadline, bool outlivesLink, Action<CloseReason?> done)
    {
        _waiting.AddLast(new Operation(request, deadline, outlivesLink, done));
        Actor.WakeAt(deadline);
        RunNext();
    }

    /// <summary>Declares before everything that waits: a new link starts with what was declared on the last
    /// one.</summary>
    internal void EnqueueFirst(IReadOnlyList<TopologyItem> items, Action<TopologyItem, CloseReason?> done)
    {
        for (int i = items.Count - 1; i >= 0; i--)
        {
            TopologyItem item = items[i];
            _waiting.AddFirst(new Operation(item, ActorTime.Never, OutlivesLink: false, end => done(item, end)));
        }
        RunNext();
    }

    internal void EndAll(CloseReason end)
    {
        Close(); // first: an operation that ends may enqueue another, which must not begin
        if (_running is { } running)
            Finish(running, end);
        while (_waiting.First is { } node)
        {
            _waiting.RemoveFirst();
            node.Value.Done(end);
        }
    }

    protected override void OnOpened()
    {
        _failedOpens = -1;
        Actor.ChannelSettled();
        RunNext();
    }

    protected override void OnSignal(BrokerSignal.OfChannel signal)
    {
        if (signal is not BrokerSignal.Answered answered || _running is not { } running)
            return;
        if (running.Request is AdminRequest.Contents contents)
            contents.Counts = answered.Counts;
        Answered();
        Finish(running, null);
        RunNext();
    }

    protected override void OnClosed(CloseReason end)
    {
        if (_running is { } running)
            Finish(running, end);
        if (++_failedOpens == 0) // it had been open: the next one will, too
            Prepare();
        else
            ReopenLater(_failedOpens);
    }

    protected override void OnLinkLost(CloseReason end)
    {
        _failedOpens = 0;
        if (_running is { } running)
        {
            _running = null;
            bool maySuspect = MayHaveEnded(running.Request, end), isBlamed = maySuspect
                && (end.MethodClass != 0 || topology.IsSuspectAgain(running.Request));
            LinksEnded = running.OutlivesLink && !isBlamed ? running.LinksEnded + 1 : 0;
            if (isBlamed)
                Blame(running, end);
            else // declaring twice is the same as once
                _waiting.AddFirst(running with { LinksEnded = LinksEnded, IsSuspect = maySuspect });
        }
        else
        {
            LinksEnded = 0;
        }
        for (var node = _waiting.First; node is not null;)
        {
            var next = node.Next;
            if (!node.Value.OutlivesLink)
                _waiting.Remove(node); // it belonged to that link, and its asker knows that the link is gone
            node = next;
        }
    }

    protected override long OnAdvance(long now)
    {
        if (_running is { } running && running.Deadline <= now)
        {
            // The channel still waits for the answer, although no caller does.
            _running = running with { Deadline = ActorTime.Never, OutlivesLink = false, Done = _ => { } };
            running.Done(CloseReason.Unanswered("timed out waiting for the broker's answer"));
        }
        long earliest = _running?.Deadline ?? ActorTime.Never;
        for (var node = _waiting.First; node is not null;)
        {
            var next = node.Next;
            if (node.Value.Deadline <= now)
            {
                _waiting.Remove(node);
                node.Value.Done(CloseReason.Unanswered("timed out waiting for the link"));
                if (node.Value.IsSuspect)
                    Actor.ChannelSettled();
            }
            else
            {
                earliest = Math.Min(earliest, node.Value.Deadline);
            }
            node = next;
        }
        return earliest;
    }

    private void RunNext()
    {
        if (_running is not null || !IsOpen || _waiting.First is not { } node)
            return;
        _waiting.RemoveFirst();
        _running = node.Value;
        AwaitAnswer();
        Actor.Link.Ask(Incarnation, _running.Request);
    }

    // The broker names the method over which it closes a connection. When a process of it crashed over one it names
    // none: then it is the declaration that was under way as two links ended. Not when it closed over the account (403,
    // 530), a frame (501, 505) or a channel (504).
    private static bool MayHaveEnded(AdminRequest request, CloseReason end)
        => request is not AdminRequest.ExchangeCheck && end is { ByBroker: true, Code: >= 400 }
            && (end.MethodClass is ExchangeClass or QueueClass
                || end is { MethodClass: 0, Code: not (403 or 501 or 504 or 505 or 530) });

    private void Blame(Operation running, CloseReason end)
    {
        CloseReason told = DeclarationErrors.Explain(running.Request, end);
        told = told with
        {
            Told = $"{told.Told ?? told.Text} (over which it closed the connection)",
            EndedConnection = true,
        };
        topology.Refuse(running.Request, told);
        Actor.Events.ConnectionClosedOver(running.Request.Key, end.Describe());
        if (running.OutlivesLink)
            running.Done(told);
    }

    private void Finish(Operation operation, CloseReason? end)
    {
        _running = null;
        topology.Acquit(operation.Request);
        operation.Done(end is null ? null : DeclarationErrors.Explain(operation.Request, end));
        if (operation.IsSuspect)
            Actor.ChannelSettled();
    }

    private sealed record Operation(AdminRequest Request, long Deadline, bool OutlivesLink,
        Action<CloseReason?> Done, int LinksEnded = 0, bool IsSuspect = false);
}

/// <summary>A caller's requests, in order, each refused or accepted on its own.</summary>
internal sealed class AdminJob(IReadOnlyList<AdminRequest> requests, long deadline) : IActorMessage
{
    private int _next;

    internal IReadOnlyList<AdminRequest> Requests => requests;

    internal long Deadline => deadline;

    /// <summary>What it takes away.</summary>
    internal IEnumerable<TopologyItem> Deleted
        => requests.OfType<AdminRequest.Deletion>().Select(deletion => deletion.Item);

    internal AdminRequest? Next => _next < requests.Count ? requests[_next++] : null;

    /// <summary>What the broker refused, and why.</summary>
    internal List<(AdminRequest Request, CloseReason End)> Errors { get; } = [];

    internal Completion<bool> Completion { get; } = new();

    public void Abandon(ConnectionActor actor) => Completion.TryFail(actor.DisposedError());

    internal AmqpTopologyException Error(AmqpClientStatus status)
    {
        var (request, end) = Errors[0];
        string all = string.Join("; ", Errors.Where(error => !Follows(error.Request, error.End))
            .Select(error => $"{error.Request.Key}: {error.End.Describe()}"));
        string why = end.Error is TimeoutException ? $": {WaitReason.NotDone(status)}" : "";
        return new($"The broker did not accept {all}{why}.", request.Key, status, end)
        {
            EndedConnection = Errors.Exists(error => error.End.EndedConnection),
        };
    }

    // A binding to what was refused before it is not there to be bound: the cause is told.
    private bool Follows(AdminRequest request, CloseReason end)
        => request is TopologyItem.Binding && end is { ByBroker: true, Code: 404 }
            && Errors.Exists(cause => end.Text.Contains($"no {cause.Request.Key} ", StringComparison.Ordinal));
}

/// <summary>Says what to do about a refusal, where the broker's text alone does not. Pure.</summary>
internal static class DeclarationErrors
{
    internal static CloseReason Explain(AdminRequest request, CloseReason end)
    {
        if (end.Inequivalence is { } differs)
            return end with { Told = $"PRECONDITION_FAILED - {Differs(differs)}" };
        if (end.ByBroker && end.Text.Contains("unknown exchange type", StringComparison.Ordinal))
            return end with { Told = $"{end.Text}: enable the broker's plugin that has this type" };
        if (request is TopologyItem.Binding && end is { ByBroker: true, Code: 404 })
            return end with { Told = $"{end.Text}: declare it before its binding" };
        return end;
    }

    private static string Differs(Inequivalence differs)
    {
        string present = differs.Present is { } value ? $"{differs.Argument} = {value}" : $"another {differs.Argument}";
        string adopt = PropertyOf(differs.Argument) is { } property
            ? $"{property} so, or Passive = true" : "Passive = true";
        return $"it exists with {present}, and {differs.Wanted} was asked for; to adopt it set {adopt}; to change it "
            + "delete it first";
    }

    // Of AmqpQueue and AmqpExchange.
    private static string? PropertyOf(string argument) => argument switch
    {
        "type" => nameof(AmqpQueue.Type),
        "durable" => nameof(AmqpQueue.Durable),
        "auto_delete" => nameof(AmqpQueue.AutoDelete),
        "alternate-exchange" => nameof(AmqpExchange.AlternateExchange),
        "internal" => null, // which no client of this library sets
        _ => AmqpQueue.PropertyOf(argument) ?? $"{nameof(AmqpQueue.Arguments)}[\"{argument}\"]",
    };
}
