using System.Globalization;
using System.Text;

namespace FederatedLearning.Comparison;

/// <summary>The measurements as an SVG picture: a plot of bars for each column, side by side.</summary>
internal static class ComparisonPlot
{
    private const int Width = 260, Bar = 22, Step = 34, Left = 56, Top = 40, Right = 56;

    public static string ToSvg(IReadOnlyList<Measurement> all)
    {
        int width = Measurement.Columns.Length * Width, height = Top + all.Count * Step + 12;
        var svg = new StringBuilder();
        Add(svg, $$"""
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {{width}} {{height}}"
              width="{{width}}" height="{{height}}" role="img">
            <title>Federated learning: the same training over each protocol</title>
            <style>text { font: 12px system-ui, sans-serif; fill: #57606a } .head { font-weight: 600 }
            rect.bar { fill: #0969da }</style>
            <rect width="100%" height="100%" fill="#ffffff"/>

            """);
        for (int column = 0; column < Measurement.Columns.Length; column++)
        {
            var (name, unit, value) = Measurement.Columns[column];
            double most = all.Max(value);
            int x = column * Width + Left;
            Add(svg, $"<text class=\"head\" x=\"{x - Left + 8}\" y=\"22\">{name} ({unit})</text>\n");
            for (int row = 0; row < all.Count; row++)
            {
                int y = Top + row * Step;
                double length = most > 0 ? value(all[row]) / most * (Width - Left - Right) : 0;
                Add(svg, $"<text x=\"{x - 6}\" y=\"{y + 16}\" text-anchor=\"end\">{all[row].Protocol}</text>\n");
                Add(svg, $"<rect class=\"bar\" x=\"{x}\" y=\"{y}\" width=\"{length:F1}\" height=\"{Bar}\"/>\n");
                string text = Measurement.Text(value(all[row]));
                Add(svg, $"<text x=\"{x + length + 5:F1}\" y=\"{y + 16}\">{text}</text>\n");
            }
        }
        return svg.Append("</svg>\n").ToString();
    }

    private static void Add(StringBuilder svg, FormattableString text)
        => svg.Append(text.ToString(CultureInfo.InvariantCulture));
}
