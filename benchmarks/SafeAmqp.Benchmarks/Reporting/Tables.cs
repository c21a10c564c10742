using System.Text;
using SafeAmqp.Benchmarks.Measuring;

namespace SafeAmqp.Benchmarks.Reporting;

/// <summary>The results as Markdown, which also reads well as text.</summary>
internal static class Tables
{
    internal static string Comparison(Outcome outcome)
    {
        var text = new StringBuilder();
        text.AppendLine($"| {outcome.Comparison.Name}: {outcome.Comparison.Workload.Callers:N0} "
            + $"callers, {outcome.Comparison.Workload.BodySize:N0} B | per second | CPU µs each | allocated B each "
            + $"| SafeAmqp is … times as fast |");
        text.AppendLine("|---|---:|---:|---:|---:|");
        foreach (var (contender, rounds) in outcome.Measured)
        {
            string ratio =
                ReferenceEquals(rounds, outcome.Ours) ? "" : Spread(outcome.Ratios(contender, Figure.Throughput));
            text.AppendLine($"| {contender} | {Median(rounds, Figure.Throughput):N0} "
                + $"| {Median(rounds, Figure.Cpu):0.0} | {Median(rounds, Figure.Allocation):N0} | {ratio} |");
        }
        return text.ToString();
    }

    internal static string Summary(
        IReadOnlyList<Outcome> outcomes, IReadOnlyList<(Bound Bound, double Value)> bounds, string machine)
    {
        var text = new StringBuilder();
        text.AppendLine(machine).AppendLine();
        text.AppendLine("| | against | target | measured | |");
        text.AppendLine("|---|---|---:|---:|---|");
        foreach (Outcome outcome in outcomes)
        {
            foreach (Target target in outcome.Comparison.Targets)
            {
                double[] values = target.Against is { } other ? outcome.Ratios(other, target.Figure) : [
                    .. outcome.Ours.Select(m => Outcome.Value(m, target.Figure))];
                double median = Outcome.Median(values);
                bool reached = target.AtMost ? median <= target.Limit : median >= target.Limit;
                string measured = target.Against is null ? $"{median:N0}" : $"{Spread(values)} ×";
                text.AppendLine($"| {target.Name} | {target.Against} | "
                    + $"{(target.AtMost ? "≤" : "≥")} {target.Limit:0.##}{(target.Against is null ? "" : " ×")} "
                    + $"| {measured} | {(reached ? "reached" : "missed")} |");
            }
        }
        foreach (var (bound, value) in bounds)
            text.AppendLine($"| {bound.What} | | ≤ {bound.Limit:#,0.##} {bound.Unit} | {value:#,0.##} {bound.Unit} "
                + $"| {(value <= bound.Limit ? "reached" : "missed")} |");
        return text.ToString();
    }

    private static double Median(IEnumerable<Measurement> rounds, Figure figure)
        => Outcome.Median(rounds.Select(round => Outcome.Value(round, figure)));

    private static string Spread(double[] values)
        => $"{Outcome.Median(values):0.00} ({values.Min():0.00}–{values.Max():0.00})";
}
