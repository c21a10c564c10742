using System.Collections.Concurrent;

namespace ImageServer.Demo;

/// <summary>How long each answer took and whether it was the right one. Any client adds to it at any time.</summary>
internal sealed class Measurements
{
    private const int FailuresShown = 10;
    private readonly ConcurrentQueue<(string Command, TimeSpan Elapsed, string? Failure)> _all = new();

    public void Add(string command, TimeSpan elapsed, string? failure) => _all.Enqueue((command, elapsed, failure));

    public int Count => _all.Count;

    public IReadOnlyList<string> Failures
        => [.. _all.Where(one => one.Failure is not null).Select(one => $"{one.Command}: {one.Failure}")
        .Take(FailuresShown)];

    /// <summary>Commands of these names that were never answered.</summary>
    public IEnumerable<string> Missing(IEnumerable<string> commands)
        => commands.Except(_all.Select(one => one.Command));

    /// <summary>A line per command.</summary>
    public IEnumerable<string> Table()
    {
        yield return $"  {"",-22}{"answers",9}{"right",9}{"p50 ms",9}{"p95 ms",9}{"max ms",9}";
        foreach (var command in _all.GroupBy(one => one.Command).OrderBy(group => group.Key, StringComparer.Ordinal))
        {
            var times = command.Select(one => one.Elapsed.TotalMilliseconds).Order().ToList();
            yield return $"  {command.Key,-22}{times.Count,9}{command.Count(one => one.Failure is null),9}"
                + $"{At(times, 0.50),9:0}{At(times, 0.95),9:0}{times[^1],9:0}";
        }
    }

    // Nearest rank: the smallest time that so many of the answers did not exceed.
    private static double At(List<double> sorted, double share) => sorted[(int)Math.Ceiling(share * sorted.Count) - 1];
}
