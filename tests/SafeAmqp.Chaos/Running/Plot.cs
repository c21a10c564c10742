using System.Globalization;
using System.Text;

namespace SafeAmqp.Chaos.Running;

/// <summary>Throughput over time, faults as bands, and for each fault how long everybody took to work again.</summary>
internal static class Plot
{
    private const double Width = 1500, Left = 60, Top = 40, CurveHeight = 300, DotsTop = 400, DotsHeight = 160,
        LegendTop = 610;

    private static readonly CultureInfo Invariant = CultureInfo.InvariantCulture;

    internal static string Draw(Curve curve, IReadOnlyList<FaultRecord> faults, ChaosOptions options)
    {
        int seconds = Math.Max(1, Math.Max(curve.Confirmed.Count, curve.Delivered.Count));
        double most = Math.Max(1, curve.Confirmed.Concat(curve.Delivered).DefaultIfEmpty(1).Max());
        double slowest = Math.Max(1000, faults.Select(fault => fault.Back - fault.Over).DefaultIfEmpty(1).Max());
        double X(double milliseconds) => Left + milliseconds / 1000 / seconds * (Width - Left - 20);
        string[] kinds = [.. faults.Select(fault => fault.Plan.Kind).Distinct().Order(StringComparer.Ordinal)];
        string Colour(string kind)
            => Text($"hsl({Array.IndexOf(kinds, kind) * 360 / Math.Max(1, kinds.Length)},65%,50%)");
        var svg = new StringBuilder();
        double height = LegendTop + 20 * ((kinds.Length + 4) / 5) + 10;
        svg.AppendLine(Invariant, $"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {Width} {height}' "
            + $"font-family='sans-serif' font-size='12'>");
        svg.AppendLine(Invariant, $"<rect width='{Width}' height='{height}' fill='white'/>");
        svg.AppendLine(Invariant, $"<text x='{Left}' y='20' font-size='15'>SafeAmqp on a three-node RabbitMQ "
            + $"under faults: seed {options.Seed}, {faults.Count} faults of {kinds.Length} kinds</text>");
        foreach (FaultRecord fault in faults)
        {
            svg.AppendLine(Invariant, $"<rect x='{X(fault.Begin):0.0}' "
                + $"y='{Top}' width='{Math.Max(1, X(fault.Over) - X(fault.Begin)):0.0}' "
                + $"height='{CurveHeight}' fill='{Colour(fault.Plan.Kind)}' "
                + $"fill-opacity='0.25'><title>{fault.Plan.Number} {fault.Plan.Kind}</title></rect>");
            svg.AppendLine(Invariant, $"<circle cx='{X(fault.Over):0.0}' "
                + $"cy='{DotsTop + DotsHeight - (fault.Back - fault.Over) / slowest * DotsHeight:0.0}' "
                + $"r='4' fill='{Colour(fault.Plan.Kind)}'><title>{fault.Plan.Kind}: "
                + $"{fault.Back - fault.Over:0} ms</title></circle>");
        }
        Line("confirmed", curve.Confirmed, "#1f5fbf");
        Line("delivered", curve.Delivered, "#2c8c3c");
        svg.AppendLine(
            Invariant, $"<text x='5' y='{Top + 10}'>{most:0}/s</text><text x='5' y='{Top + CurveHeight}'>0</text>");
        svg.AppendLine(Invariant, $"<text x='{Left}' y='{Top + CurveHeight + 18}' fill='#1f5fbf'>confirmed "
            + $"a second</text><text "
            + $"x='{Left + 150}' y='{Top + CurveHeight + 18}' fill='#2c8c3c'>delivered a second</text>");
        svg.AppendLine(Invariant, $"<text x='{Left}' y='{DotsTop - 12}'>after each fault: until every client is "
            + $"open and every lane has a new message confirmed</text>");
        svg.AppendLine(Invariant, $"<text x='5' y='{DotsTop + 10}'>{slowest / 1000:0.0} s</text><text "
            + $"x='5' y='{DotsTop + DotsHeight}'>0</text>");
        svg.AppendLine(Invariant, $"<path d='M{Left} {Top}V{Top + CurveHeight}H{Width - 20}M{Left} "
            + $"{DotsTop}V{DotsTop + DotsHeight}H{Width - 20}' stroke='black' fill='none'/>");
        for (int tick = 0; tick <= 10; tick++)
            svg.AppendLine(Invariant, $"<text x='{X(tick * seconds * 100.0):0}' "
                + $"y='{DotsTop + DotsHeight + 16}' text-anchor='middle'>{tick * seconds / 10} s</text>");
        for (int i = 0; i < kinds.Length; i++)
            svg.AppendLine(Invariant, $"<rect x='{Left + i % 5 * 285}' y='{LegendTop + i / 5 * 20 - 10}' width='12' "
                + $"height='12' fill='{Colour(kinds[i])}'/><text "
                + $"x='{Left + i % 5 * 285 + 18}' y='{LegendTop + i / 5 * 20}'>{kinds[i]}</text>");
        svg.AppendLine("</svg>");
        return svg.ToString();

        void Line(string name, IReadOnlyList<int> values, string colour)
        {
            IEnumerable<string> points = values.Select((value, second) => Text(
                $"{X(second * 1000.0):0.0},{Top + CurveHeight - value / most * CurveHeight:0.0}"));
            svg.AppendLine(Invariant, $"<polyline fill='none' stroke='{colour}' "
                + $"stroke-width='1.5' points='{string.Join(' ', points)}'>"
                + $"<title>{name}</title></polyline>");
        }
    }

    private static string Text(FormattableString text) => text.ToString(Invariant);
}
