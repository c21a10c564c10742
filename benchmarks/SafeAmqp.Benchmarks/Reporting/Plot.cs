using System.Net;
using System.Text;
using SafeAmqp.Benchmarks.Measuring;

namespace SafeAmqp.Benchmarks.Reporting;

/// <summary>
/// Draws the throughput of each contender as bars, a group for each comparison, scaled to the fastest of its group.
/// </summary>
internal static class Plot
{
    private const int Width = 900, Left = 330, BarHeight = 18, Gap = 6, GroupGap = 34;

    internal static string Svg(IReadOnlyList<Outcome> outcomes)
    {
        var bars = new StringBuilder();
        int y = 20;
        foreach (Outcome outcome in outcomes)
        {
            bars.AppendLine(
                $"<text x='10' y='{y + 13}' class='group'>{WebUtility.HtmlEncode(outcome.Comparison.Title)}</text>");
            y += BarHeight + Gap;
            double fastest = outcome.Measured.Max(one => Rate(one.Rounds));
            foreach (var (contender, rounds) in outcome.Measured)
            {
                double rate = Rate(rounds);
                double width = (Width - Left - 110) * rate / fastest;
                bars.AppendLine(
                    $"<text x='{Left - 8}' y='{y + 13}' text-anchor='end'>{WebUtility.HtmlEncode(contender)}</text>");
                bars.AppendLine($"<rect x='{Left}' y='{y}' width='{width:0.#}' "
                    + $"height='{BarHeight}' class='{(ReferenceEquals(rounds, outcome.Ours) ? "ours" : "other")}'/>");
                bars.AppendLine($"<text x='{Left + width + 6:0.#}' y='{y + 13}'>{rate:N0}/s</text>");
                y += BarHeight + Gap;
            }
            y += GroupGap - BarHeight;
        }
        return $$"""
            <svg xmlns='http://www.w3.org/2000/svg' width='{{Width}}' height='{{y}}'
            font-family='sans-serif' font-size='13'>
            <style>.ours { fill: #1f6f54 } .other { fill: #b8c4c0 }
            .group { font-weight: bold } text { fill: #222 }</style>
            <rect width='100%' height='100%' fill='white'/>
            {{bars}}</svg>

            """;
    }

    private static double Rate(IEnumerable<Measurement> rounds)
        => Outcome.Median(rounds.Select(round => round.PerSecond));
}
