using System.Globalization;
using System.Text;

namespace SafeAmqp.Simulation.Exploring;

/// <summary>An exploration in words.</summary>
internal static class Report
{
    internal static string Of(Exploration exploration)
    {
        var text = new StringBuilder();
        double seconds = exploration.Took.TotalSeconds;
        text.Append(
            CultureInfo.InvariantCulture,
            $"{exploration.Counts["publishes"]} publishes of {exploration.Seeds} seeds in {seconds:0.0} s: ");
        text.AppendLine(CultureInfo.InvariantCulture, $"{exploration.Counts["publishes"] / seconds:0} publishes "
            + $"and {exploration.Seeds / seconds:0} seeds per second");
        foreach (var (what, count) in exploration.Counts.All)
            text.AppendLine(CultureInfo.InvariantCulture, $"{count,12} {what}");
        return text.ToString();
    }

    /// <summary>A violation without its numbers: what kind it is.</summary>
    internal static string Kind(Verdict verdict)
        => string.Concat(verdict.Violation!.Split('\n')[0].Where(c => !char.IsAsciiDigit(c)));
}
