using System.Text;

namespace SafeAmqp.Chaos.SideBySide;

/// <summary>One thing that goes wrong with RabbitMQ.Client used directly, done to both.</summary>
/// <param name="Name">F1 to F7.</param>
/// <param name="Trouble">What is done.</param>
/// <param name="RawAsync">With RabbitMQ.Client.</param>
/// <param name="SafeAsync">With SafeAmqp.</param>
internal sealed record Comparison(
    string Name, string Trouble, Func<Task<Column>> RawAsync, Func<Task<Column>> SafeAsync);

/// <summary>What one of the two did.</summary>
/// <param name="Text">In words, with figures.</param>
/// <param name="Held">Whether it did what its user may expect.</param>
internal sealed record Column(string Text, bool Held);

internal sealed record Row(string Name, string Trouble, Column Raw, Column Safe);

internal static class SideBySideTable
{
    internal static string Draw(IEnumerable<Row> rows)
    {
        var text = new StringBuilder(
            "| | what is done | RabbitMQ.Client used directly | SafeAmqp |\n|---|---|---|---|\n");
        foreach (Row row in rows)
            text.AppendLine(
                System.Globalization.CultureInfo.InvariantCulture,
                $"| {row.Name} | {row.Trouble} | {Mark(row.Raw)} | {Mark(row.Safe)} |");
        return text.ToString();
    }

    private static string Mark(Column column) => $"{(column.Held ? "held" : "**failed**")}: {column.Text}";
}
