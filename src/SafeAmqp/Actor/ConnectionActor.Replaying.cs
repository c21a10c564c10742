using SafeAmqp.Topology;

namespace SafeAmqp.Actor;

// What was declared, declared again on each link. What fails is named, and tried again unless it would fail for ever.
internal sealed partial class ConnectionActor
{
    private readonly List<TopologyItem> _unanswered = [];
    private IReadOnlyList<string> _topologyErrors = [];
    private int _redeclarations;
    private long _redeclareAt = ActorClock.Never;

    private void Replayed(TopologyItem item, CloseReason? error)
    {
        Note(item, error);
        if (--_replaysLeft == 0 && IsConnected)
            PrepareConsumers();
    }

    private void Note(TopologyItem item, CloseReason? error)
    {
        string name = $"{item.Key}: ";
        _topologyErrors = [.. _topologyErrors.Where(known => !known.StartsWith(name, StringComparison.Ordinal))];
        if (error is null)
            return;
        _topologyErrors = [.. _topologyErrors, name + error.Describe()];
        Events.TopologyRefused(item.Key, error.Describe());
        if (IsConnected && !IsForSomebodyToMend(error))
            TryAgain(item);
    }

    // Rights, and arguments that differ. The rest passes: a queue's node that was away and answered nothing, an exclusive queue that the broker still holds for the last link, an
    // exchange that was not answered for and is missing to its bindings. The link is open meanwhile, and need not fall for them to be asked for again.
    private static bool IsForSomebodyToMend(CloseReason error) => error is { ByBroker: true, Code: 403 or 406 };

    private void TryAgain(TopologyItem item)
    {
        _unanswered.Add(item);
        if (_redeclareAt != ActorClock.Never)
            return;
        _redeclareAt = Now + RetryDelay(++_redeclarations).Ticks;
        WakeAt(_redeclareAt);
    }

    private long Redeclare(long now)
    {
        if (_redeclareAt > now)
            return _redeclareAt;
        TopologyItem[] items = [.. _unanswered];
        _unanswered.Clear();
        _redeclareAt = ActorClock.Never;
        foreach (TopologyItem item in items)
            Admin.Enqueue(item, ActorClock.Never, outlivesLink: false, error => Note(item, error));
        return _redeclareAt;
    }

    private void ForgetUnanswered()
    {
        _unanswered.Clear();
        _redeclarations = 0;
        _redeclareAt = ActorClock.Never;
    }
}
