using System.Globalization;
using System.Text;
using FederatedLearning.Status;

namespace FederatedLearning.Server.Results;

/// <summary>Accuracy and loss over the rounds, as one SVG that needs nothing else.</summary>
internal static class ResultPlot
{
    private const int PanelWidth = 440, PanelHeight = 300, Left = 56, Right = 16, Top = 44, Bottom = 40;

    public static string Draw(IReadOnlyList<RoundResult> rounds)
    {
        var svg = new StringBuilder();
        svg.Append(CultureInfo.InvariantCulture, $"""
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * PanelWidth} {PanelHeight}" font-family="system-ui, sans-serif" font-size="12">
            <rect width="100%" height="100%" fill="#fff"/>

            """);
        var accuracy = Points(rounds, round => round.Accuracy);
        var loss = Points(rounds, round => round.Loss);
        var lowest = accuracy.Count == 0 ? 0 : Math.Floor((accuracy.Min(point => point.Value) - 0.02) * 20) / 20;
        Panel(svg, 0, "Accuracy", "#3457d5", accuracy, Math.Max(0, lowest), 1, value => value.ToString("0 %", CultureInfo.InvariantCulture));
        Panel(svg, PanelWidth, "Loss", "#c2560c", loss, 0, loss.Count == 0 ? 1 : 1.08 * loss.Max(point => point.Value),
            value => value.ToString("0.###", CultureInfo.InvariantCulture));
        return svg.Append("</svg>\n").ToString();
    }

    private static List<(int Round, double Value)> Points(IReadOnlyList<RoundResult> rounds, Func<RoundResult, double?> of)
        => [.. rounds.Where(round => of(round) is { } value && double.IsFinite(value)).Select(round => (round.Round, of(round)!.Value))];

    private static void Panel(StringBuilder svg, int offset, string title, string color, List<(int Round, double Value)> points, double min, double max,
        Func<double, string> label)
    {
        var last = Math.Max(2, points.Count == 0 ? 2 : points[^1].Round);
        double X(double round) => Left + (round - 1) / (last - 1) * (PanelWidth - Left - Right);
        double Y(double value) => Top + (max - value) / (max - min) * (PanelHeight - Top - Bottom);

        Add(svg, $"""<g transform="translate({offset})"><text x="{Left}" y="26" font-size="15" font-weight="600" fill="#1d2230">{title}</text>""");
        foreach (var value in Steps(min, max))
            Add(svg, $"""<line x1="{Left}" x2="{PanelWidth - Right}" y1="{Y(value):0.0}" y2="{Y(value):0.0}" stroke="#e3e6ee"/><text x="{Left - 8}" y="{Y(value) + 4:0.0}" text-anchor="end" fill="#667085">{label(value)}</text>""");
        var every = (last + 11) / 12;
        for (var round = 1; round <= last; round += every)
            Add(svg, $"""<text x="{X(round):0.0}" y="{PanelHeight - 20}" text-anchor="middle" fill="#667085">{round}</text>""");
        var line = string.Join(' ', points.Select(point => string.Create(CultureInfo.InvariantCulture, $"{X(point.Round):0.0},{Y(point.Value):0.0}")));
        Add(svg, $"""<polyline points="{line}" fill="none" stroke="{color}" stroke-width="2.25" stroke-linejoin="round"/>""");
        foreach (var (round, value) in points)
            Add(svg, $"""<circle cx="{X(round):0.0}" cy="{Y(value):0.0}" r="3" fill="#fff" stroke="{color}" stroke-width="2"><title>Round {round}: {value:0.0000}</title></circle>""");
        svg.AppendLine("</g>");
    }

    private static void Add(StringBuilder svg, FormattableString line) => svg.AppendLine(FormattableString.Invariant(line));

    // Between 4 and 7 lines at 1, 2 or 5 times a power of ten.
    private static IEnumerable<double> Steps(double min, double max)
    {
        var raw = (max - min) / 5;
        var power = Math.Pow(10, Math.Floor(Math.Log10(raw)));
        var step = power * new[] { 1, 2, 5, 10 }.First(factor => factor * power >= raw);
        for (var i = Math.Ceiling(min / step - 1e-9); i * step <= max + step * 1e-6; i++)
            yield return i * step;
    }
}
