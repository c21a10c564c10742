using System.Globalization;
using System.Text.Json.Nodes;

namespace FederatedLearning.Comparison;

/// <summary>What a training over one protocol took; all but memory for one round.</summary>
/// <param name="Protocol">The protocol's short name.</param>
/// <param name="Seconds">The median of the rounds' times.</param>
/// <param name="Megabytes">The messages' bodies that the server received and sent.</param>
/// <param name="ProcessorSeconds">The server's processor time, from the first round on.</param>
/// <param name="PeakMegabytes">The most memory that the server's process had.</param>
internal sealed record Measurement(string Protocol, double Seconds, double Megabytes, double ProcessorSeconds,
    double PeakMegabytes)
{
    public static readonly (string Name, string Unit, Func<Measurement, double> Value)[] Columns =
    [
        ("Time a round", "s", measured => measured.Seconds),
        ("Bytes a round", "MB", measured => measured.Megabytes),
        ("Processor time a round, server", "s", measured => measured.ProcessorSeconds),
        ("Peak memory, server", "MB", measured => measured.PeakMegabytes),
    ];

    /// <summary>From the server's results and what its process took.</summary>
    public static Measurement Of(string protocol, JsonNode results, TimeSpan processor, long peakBytes)
    {
        double[] rounds = [.. results["rounds"]!.AsArray().Select(
            round => round!["seconds"]!.GetValue<double>()).Order()];
        var traffic = results["protocols"]!.AsArray().Single()!["traffic"]!;
        double bytes = traffic["bytes_in"]!.GetValue<long>() + traffic["bytes_out"]!.GetValue<long>();
        return new Measurement(
            protocol, rounds[rounds.Length / 2], bytes / rounds.Length / 1e6, processor.TotalSeconds / rounds.Length,
                peakBytes / 1e6);
    }

    public static string ToTable(IReadOnlyList<Measurement> all)
    {
        string[][] rows =
        [
            ["protocol", .. Columns.Select(column => $"{column.Name} ({column.Unit})")],
            .. all.Select(measured => (string[])
                [measured.Protocol, .. Columns.Select(column => Text(column.Value(measured)))]),
        ];
        int[] widths = [.. Enumerable.Range(0, rows[0].Length).Select(i => rows.Max(row => row[i].Length))];
        return string.Join('\n', rows.Select(row => string.Join("  ", row.Select((cell, i) =>
            i == 0 ? cell.PadRight(widths[i]) : cell.PadLeft(widths[i])))));
    }

    public static string Text(double value)
        => value.ToString(value < 10 ? "0.00" : "0.0", CultureInfo.InvariantCulture);
}
