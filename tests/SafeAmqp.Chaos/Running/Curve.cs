using SafeAmqp.Chaos.Checking;

namespace SafeAmqp.Chaos.Running;

/// <summary>Confirmed and delivered messages for each second of the run.</summary>
internal sealed class Curve
{
    private readonly List<int> _confirmed = [], _delivered = [];

    internal IReadOnlyList<int> Confirmed => _confirmed;

    internal IReadOnlyList<int> Delivered => _delivered;

    internal void Add(HistoryEvent line)
    {
        if (line is { What: What.End, Ended: Ending.Confirmed })
            Count(_confirmed, line.At);
        else if (line.What == What.Deliver)
            Count(_delivered, line.At);
    }

    private static void Count(List<int> seconds, double at)
    {
        int second = (int)(at / 1000);
        while (seconds.Count <= second)
            seconds.Add(0);
        seconds[second]++;
    }
}
