using SafeAmqp.Actor;
using SafeAmqp.Topology;

namespace SafeAmqp.Links;

// What was declared, declared again on each link. Failures are reported, and retried unless they need a repair.
internal sealed partial class LinkActor
{
    private readonly List<TopologyItem> _unanswered = [];
    private readonly List<IReadOnlyList<TopologyItem>> _putBack = []; // what consumers want back, under way
    private IReadOnlyList<TopologyItem> _away = []; // exclusive queues and their bindings, gone with the last link
    private readonly List<(TopologyItem Item, CloseReason Error)> _errors = [];
    private volatile IReadOnlyList<string> _told = []; // of the errors
    private int _replaysLeft;
    private int _redeclarations;
    private long _redeclareAt = ActorTime.Never;

    protected override void Prepare()
    {
        _errors.Clear();
        _told = [];
        IReadOnlyList<TopologyItem> replay = _topology.ForLink(Settings.OwnsExclusiveQueues);
        _replaysLeft = replay.Count;
        AwaitReturn(replay);
        _admin.EnqueueFirst(replay, Replayed);
        _admin.Prepare();
        if (Settings.Publishes)
        {
            _lane.Prepare();
            _directLane?.Prepare();
        }
        if (_replaysLeft == 0)
            PrepareConsumers();
    }

    protected override void OnLinkLost()
    {
        _replaysLeft = 0;
        _unanswered.Clear();
        _redeclarations = 0;
        _redeclareAt = ActorTime.Never;
        _exchanges.Forget();
        foreach (IReadOnlyList<TopologyItem> items in _putBack)
            _topology.End(items);
        _putBack.Clear();
        AwaitReturn(State == AmqpLinkState.Closing ? [] : _topology.ForLink(ownsExclusive: true));
    }

    // The other link publishes, and may be open before what is exclusive to this one is there again.
    private void AwaitReturn(IReadOnlyList<TopologyItem> replay)
    {
        if (Settings.Publishes)
            return;
        IReadOnlyList<TopologyItem> before = _away;
        _away = _topology.Split(replay).Exclusive;
        _topology.Begin(_away, isBack: true);
        _topology.End(before);
    }

    /// <summary>Declares again what was not answered.</summary>
    protected override long AdvanceVerbs(long now)
    {
        if (_redeclareAt > now)
            return _redeclareAt;
        TopologyItem[] items = [.. _unanswered];
        _unanswered.Clear();
        _redeclareAt = ActorTime.Never;
        foreach (TopologyItem item in items.Where(_topology.Knows))
            _admin.Enqueue(item, ActorTime.Never, outlivesLink: false, error => Note(item, error));
        return _redeclareAt;
    }

    // After the topology: a queue that the broker lost must be back before it is consumed.
    private void PrepareConsumers()
    {
        _replies.Prepare();
        _consumers.Prepare();
        ChannelSettled();
    }

    private void Replayed(TopologyItem item, CloseReason? error)
    {
        Note(item, error);
        _topology.End(_away, item);
        if (--_replaysLeft == 0 && IsConnected)
            PrepareConsumers();
    }

    private void Note(TopologyItem item, CloseReason? error)
    {
        _errors.RemoveAll(known => known.Item.IsSameAs(item));
        if (error is not null)
            _errors.Add((item, error));
        // In one write, as other threads read it.
        _told = [.. _errors.Select(known => $"{known.Item.Key}: {known.Error.Describe()}")];
        if (error is null)
            return;
        Events.TopologyRefused(item.Key, error.Describe());
        if (IsConnected && !NeedsRepair(error))
            TryAgain(item);
    }

    // Refused rights and arguments that differ need somebody to change them. The rest passes: a queue's node that was
    // away and answered nothing, an exclusive queue that the broker still holds for the last link, an exchange that was
    // not answered for and is missing to its bindings. The link is open meanwhile, and need not fall for another try.
    private static bool NeedsRepair(CloseReason error) => error is { ByBroker: true, Code: 403 or 406 };

    private void TryAgain(TopologyItem item)
    {
        _unanswered.Add(item);
        if (_redeclareAt != ActorTime.Never)
            return;
        _redeclareAt = Now + RetryDelay(++_redeclarations).Ticks;
        WakeAt(_redeclareAt);
    }

    private void RedeclareQueue(string queue, Action done)
    {
        IReadOnlyList<TopologyItem> items = _topology.OfQueue(queue);
        int left = items.Count;
        if (left == 0)
        {
            done();
            return;
        }
        _topology.Begin(items, isBack: true);
        _putBack.Add(items);
        foreach (TopologyItem item in items)
        {
            _admin.Enqueue(item, Now + Settings.OperationTimeout.Ticks, outlivesLink: false, error =>
            {
                if (error is not null)
                    Events.TopologyRefused(item.Key, error.Describe());
                _topology.End(items, item);
                if (--left > 0)
                    return;
                _putBack.Remove(items);
                done();
            });
        }
    }

    private void Remember(TopologyItem item)
    {
        foreach (TopologyItem binding in _topology.Remember(item)) // which had been left out with it
            _admin.Enqueue(binding, ActorTime.Never, outlivesLink: false, error => Note(binding, error));
    }

    // What is forgotten is no error any more.
    private void Drop(IEnumerable<TopologyItem> forgotten)
    {
        foreach (TopologyItem item in forgotten)
            Note(item, null);
    }

    private void AskNext(AdminJob job)
    {
        if (job.Next is { } request)
        {
            _admin.Enqueue(request, job.Deadline, outlivesLink: true, end =>
            {
                if (end is not null && !(request is AdminRequest.Deletion && end is { ByBroker: true, Code: 404 }))
                    job.Errors.Add((request, end));
                else if (request is TopologyItem item)
                    Remember(item);
                _topology.End(job.Requests, request);
                AskNext(job);
            });
        }
        else if (job.Errors.Count == 0)
        {
            job.Completion.TryComplete(true);
        }
        else
        {
            job.Completion.TryFail(job.Error(Snapshot()));
        }
    }
}
