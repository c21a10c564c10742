using SafeAmqp.Actor;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Topology;

/// <summary>Declares and checks, one at a time, on a channel of its own, so that what the broker answers with a closed
/// channel harms nothing else. The channel is replaced after such an answer.</summary>
internal sealed class AdminChannel(ConnectionActor actor) : ActorChannel(actor)
{
    private readonly LinkedList<Operation> _waiting = [];
    private Operation? _running;
    private int _failedOpens;
    private long _reopenAt = ActorTime.Never;

    /// <summary>How many links in a row ended while the declaration that was under way at the last end was: it may be
    /// why.</summary>
    internal int LinksEnded { get; private set; }

    /// <summary>Opens the channel: the first answer of a new link, which also shows that the virtual host may be
    /// used.</summary>
    internal void Prepare()
    {
        _reopenAt = ActorTime.Never;
        if (Incarnation == 0)
            Open(confirms: false, prefetch: 0);
    }

    internal void Enqueue(TopologyItem item, long deadline, bool outlivesLink, Action<CloseReason?> done)
    {
        _waiting.AddLast(new Operation(item, deadline, outlivesLink, done));
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
        if (signal is not BrokerSignal.Declared declared || _running is not { } running)
            return;
        if (running.Item is TopologyItem.Contents contents)
            contents.Counts = declared.Counts;
        Answered();
        Finish(running, null);
        RunNext();
    }

    protected override void OnClosed(CloseReason end)
    {
        if (_running is { } running)
            Finish(running, end);
        if (++_failedOpens == 0) // it had been open: the next one will, too
        {
            Prepare();
            return;
        }
        _reopenAt = Actor.Now + Actor.RetryDelay(_failedOpens).Ticks;
        Actor.WakeAt(_reopenAt);
    }

    protected override void OnLinkLost(CloseReason end)
    {
        _reopenAt = ActorTime.Never;
        _failedOpens = 0;
        if (_running is { } running)
        {
            _running = null;
            LinksEnded = running.OutlivesLink ? running.LinksEnded + 1 : 0;
            _waiting.AddFirst(running with { LinksEnded = LinksEnded }); // declaring twice is the same as once
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
        if (_reopenAt <= now)
            Prepare();
        if (_running is { } running && running.Deadline <= now)
        {
            // The channel still waits for the answer, although no caller does.
            _running = running with { Deadline = ActorTime.Never, OutlivesLink = false, Done = _ => { } };
            running.Done(TimedOut("timed out waiting for the broker's answer"));
        }
        long earliest = Math.Min(_reopenAt, _running?.Deadline ?? ActorTime.Never);
        for (var node = _waiting.First; node is not null;)
        {
            var next = node.Next;
            if (node.Value.Deadline <= now)
            {
                _waiting.Remove(node);
                node.Value.Done(TimedOut("timed out waiting for the link"));
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
        Actor.Link.Declare(Incarnation, _running.Item);
    }

    private static CloseReason TimedOut(string text)
        => new(0, text, ByBroker: false, new TimeoutException("The broker did not answer in time."));

    private void Finish(Operation operation, CloseReason? end)
    {
        _running = null;
        operation.Done(end);
    }

    private sealed record Operation(TopologyItem Item, long Deadline, bool OutlivesLink, Action<CloseReason?> Done,
        int LinksEnded = 0);
}

/// <summary>A caller's declaration: items in order, each refused or remembered on its own.</summary>
internal sealed class DeclareJob(IReadOnlyList<TopologyItem> items, long deadline) : IActorMessage
{
    private int _next;

    internal long Deadline => deadline;

    /// <summary>What it takes away.</summary>
    internal IEnumerable<TopologyItem> Deleted => items.OfType<TopologyItem.Gone>().Select(gone => gone.Item);

    internal TopologyItem? Next => _next < items.Count ? items[_next++] : null;

    /// <summary>What the broker refused, and why.</summary>
    internal List<(TopologyItem Item, CloseReason End)> Errors { get; } = [];

    internal Completion<bool> Completion { get; } = new();

    public void Abandon(ConnectionActor actor) => Completion.TryFail(actor.DisposedError());

    internal AmqpTopologyException Error(AmqpClientStatus status)
    {
        var (item, end) = Errors[0];
        string all = string.Join("; ", Errors.Select(error => $"{error.Item.Key}: {error.End.Describe()}"));
        string why = end.Error is TimeoutException ? $": {WaitReason.NotDone(status)}" : "";
        return new($"The broker did not accept {all}{why}.", item.Key, status, end);
    }
}
