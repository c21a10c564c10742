using System.Globalization;
using System.Text;
using FederatedLearning.Status;

namespace FederatedLearning.Results;

/// <summary>
/// Loss and accuracy by round as an SVG picture: two plots side by side, nothing to load, readable in light and dark.
/// </summary>
public static class ResultPlot
{
    private const int Width = 420, Height = 260, Left = 52, Top = 34, Right = 16, Bottom = 40, Line = 18;

    private static readonly CultureInfo Invariant = CultureInfo.InvariantCulture;

    /// <summary>
    /// Draws the rounds, and below them names each protocol with what went over it. Rounds in which no client evaluated
    /// leave a gap.
    /// </summary>
    public static string ToSvg(IReadOnlyList<RoundResult> rounds, IReadOnlyList<HandlerSnapshot> protocols)
    {
        ArgumentNullException.ThrowIfNull(rounds);
        ArgumentNullException.ThrowIfNull(protocols);
        var svg = new StringBuilder();
        int height = Height + protocols.Count * Line;
        svg.Append(Invariant, $$"""
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{2 * Width}} {{height}}"
            width="{{2 * Width}}" height="{{height}}" role="img">
            <title>Federated learning: loss and accuracy by round</title>
            <style>text { font: 12px system-ui, sans-serif; fill: #57606a } .head { font-weight: 600; font-size: 13px }
            .grid { stroke: #8c959f; stroke-opacity: .3 } .line { fill: none; stroke-width: 2 }</style>
            <rect width="100%" height="100%" fill="#ffffff"/>

            """);
        double worst = rounds.Max(round => round.Loss) ?? 0;
        Plot(svg, 0, "Loss", "#bc4c00", rounds, round => round.Loss, NiceCeiling(worst), "0.###");
        Plot(svg, Width, "Accuracy", "#0969da", rounds, round => round.Accuracy, 1, "0 %");
        for (int i = 0; i < protocols.Count; i++)
            svg.Append(
                Invariant, $"<text x=\"{Left}\" y=\"{Height + i * Line + 8}\">{TextOf(protocols[i])}</text>\n");
        return svg.Append("</svg>\n").ToString();
    }

    private static string TextOf(HandlerSnapshot protocol) => string.Create(
        Invariant, $"{protocol.Name}: {protocol.Clients} clients, {protocol.Traffic.MessagesIn} messages in "
            + $"({protocol.Traffic.BytesIn / 1e6:0.0} MB), {protocol.Traffic.MessagesOut} out "
            + $"({protocol.Traffic.BytesOut / 1e6:0.0} MB), {protocol.Traffic.Reconnects} reconnects");

    private static void Plot(
        StringBuilder svg, int offset, string name, string colour, IReadOnlyList<RoundResult> rounds,
        Func<RoundResult, double?> value, double max, string format)
    {
        int last = rounds.Count == 0 ? 1 : Math.Max(2, rounds[^1].Round);
        double X(double round) => offset + Left + (round - 1) / Math.Max(1, last - 1) * (Width - Left - Right);
        double Y(double y) => Height - Bottom - Math.Clamp(y / max, 0, 1) * (Height - Top - Bottom);

        svg.Append(Invariant, $"<text class=\"head\" "
            + $"x=\"{offset + Left}\" y=\"20\">{name}{LastOf(rounds, value, format)}</text>\n");
        for (int i = 0; i <= 4; i++)
        {
            double y = max * i / 4;
            svg.Append(Invariant, $"<line class=\"grid\" x1=\"{offset + Left}\" x2=\"{offset + Width - Right}\" "
                + $"y1=\"{Y(y):F1}\" y2=\"{Y(y):F1}\"/>\n");
            svg.Append(Invariant, $"<text x=\"{offset + Left - 8}\" y=\"{Y(y) + 4:F1}\" "
                + $"text-anchor=\"end\">{y.ToString(format, Invariant)}</text>\n");
        }
        int step = Math.Max(1, (last + 9) / 10);
        for (int round = 1; round <= last; round += step)
            svg.Append(Invariant, $"<text x=\"{X(round):F1}\" "
                + $"y=\"{Height - Bottom + 18}\" text-anchor=\"middle\">{round}</text>\n");
        svg.Append(Invariant, $"<text x=\"{offset + (Width + Left - Right) / 2}\" "
            + $"y=\"{Height - 6}\" text-anchor=\"middle\">round</text>\n");
        foreach (var run in RunsOf(rounds, value))
        {
            string points = string.Join(' ', run.Select(point => Text($"{X(point.Round):F1},{Y(point.Value):F1}")));
            svg.Append(Invariant, $"<polyline class=\"line\" stroke=\"{colour}\" points=\"{points}\"/>\n");
            foreach (var (round, y) in run)
                svg.Append(Invariant, $"<circle cx=\"{X(round):F1}\" cy=\"{Y(y):F1}\" r=\"2.5\" fill=\"{colour}\"/>\n");
        }
    }

    // Rounds in a row that have a value.
    private static IEnumerable<List<(int Round, double Value)>> RunsOf(
        IReadOnlyList<RoundResult> rounds, Func<RoundResult, double?> value)
    {
        List<(int, double)> run = [];
        foreach (var round in rounds)
        {
            if (value(round) is { } number)
            {
                run.Add((round.Round, number));
            }
            else if (run.Count > 0)
            {
                yield return run;
                run = [];
            }
        }
        if (run.Count > 0) yield return run;
    }

    private static string LastOf(IReadOnlyList<RoundResult> rounds, Func<RoundResult, double?> value, string format)
        => rounds.Count > 0 && value(rounds[^1]) is { } number
            ? ": " + number.ToString(format == "0 %" ? "0.0 %" : "0.0000", Invariant)
            : "";

    // The next of 1, 2, 2.5, 5 times a power of ten.
    private static double NiceCeiling(double value)
    {
        if (value <= 0) return 1;
        double power = Math.Pow(10, Math.Floor(Math.Log10(value)));
        return new[] { 1, 2, 2.5, 5, 10 }.First(factor => factor * power >= value * 0.999999) * power;
    }

    private static string Text(FormattableString text) => text.ToString(Invariant);
}
