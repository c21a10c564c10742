using SafeAmqp.Simulation.Runs;

namespace SafeAmqp.Simulation.Exploring;

/// <summary>Plans that once broke a promise, each with what it was; replayed before every run.</summary>
internal static class KeptPlans
{
    internal static IReadOnlyList<(Plan Plan, string Was)> All { get; } = [.. File.ReadLines(Path.Combine(
        AppContext.BaseDirectory, "kept-plans.txt"))
        .Where(line => line.Length > 0 && line[0] != '#')
        .Select(line => line.Split('|', 2))
        .Select(parts => (Plan.Parse(parts[0].Split(' ', StringSplitOptions.RemoveEmptyEntries)), parts[1].Trim()))];
}
