using System.Collections.Concurrent;

namespace RecipeDemo;

/// <summary>
/// How long each request took and whether its answer was the right one. Any client adds to it at any time.
/// </summary>
internal sealed class Measurements
{
    private const int FailuresShown = 10;
    private readonly ConcurrentQueue<(string Endpoint, TimeSpan Elapsed, string? Failure)> _all = new();

    public void Add(string endpoint, TimeSpan elapsed, string? failure) => _all.Enqueue((endpoint, elapsed, failure));

    public int Count => _all.Count;

    public bool AllGood => !_all.IsEmpty && _all.All(one => one.Failure is null);

    /// <summary>The first failures, in words.</summary>
    public IEnumerable<string> Failures
        => _all.Where(one => one.Failure is not null).Select(one => $"{one.Endpoint}: {one.Failure}")
            .Take(FailuresShown);

    /// <summary>A line per endpoint, in the order given.</summary>
    public IEnumerable<string> Table(IEnumerable<string> endpoints)
    {
        yield return $"  {"",-34}{"requests",9}{"right",9}{"p50 ms",9}{"p95 ms",9}{"max ms",9}";
        foreach (string endpoint in endpoints)
        {
            var rows = _all.Where(one => one.Endpoint == endpoint).ToList();
            if (rows.Count == 0)
                continue;
            var times = rows.Select(row => row.Elapsed.TotalMilliseconds).Order().ToList();
            yield return $"  {endpoint,-34}{rows.Count,9}{rows.Count(row => row.Failure is null),9}"
                + $"{At(times, 0.50),9:0}{At(times, 0.95),9:0}{times[^1],9:0}";
        }
    }

    // Nearest rank: the smallest time that so many of the requests did not exceed.
    private static double At(List<double> sorted, double share) => sorted[(int)Math.Ceiling(share * sorted.Count) - 1];
}
