using System.Collections.Concurrent;

namespace SafeAmqp.Telemetry;

/// <summary>
/// Names that may stand in metrics, where each makes time series of its own: the first that come, and no more than a bound, as nobody can know
/// beforehand how many queues an application names.
/// </summary>
internal sealed class FewNames(Func<string, string> form)
{
    internal const int Max = 200;

    private readonly ConcurrentDictionary<string, string> _names = [];

    /// <summary>The name in its form; null when there are too many already.</summary>
    internal string? Of(string name)
    {
        if (_names.TryGetValue(name, out string? known))
            return known;
        return _names.Count >= Max ? null : _names.GetOrAdd(name, form);
    }
}
