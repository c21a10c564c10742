using System.Globalization;
using LocalBroker;
using SafeAmqp.Chaos.Checking;

namespace SafeAmqp.Chaos.Running;

/// <summary>What the nodes wrote that no client of good manners gives cause to.</summary>
internal sealed class BrokerLogs(IReadOnlyList<PrivateRabbitMqNode> nodes)
{
    /// <summary>
    /// How long after a fault the broker may still notice that heartbeats are missing: two of its intervals, and the
    /// check.
    /// </summary>
    private const double HeartbeatGrace = 12_000;

    private static readonly string[] NeverLogged = ["unknown delivery tag", "frame_error", "unexpected_frame",
        "syntax_error", "command_invalid", "channel_error", "unexpected_method"];

    private readonly DateTimeOffset _start = DateTimeOffset.UtcNow;

    internal void Report(Recorder recorder, IReadOnlyList<FaultRecord> faults)
    {
        // this object may be older than the run
        double offset = (DateTimeOffset.UtcNow - _start).TotalMilliseconds - recorder.Now;
        foreach (string line in nodes.SelectMany(Lines))
        {
            if (Array.Exists(NeverLogged, word => line.Contains(word, StringComparison.Ordinal)))
                recorder.Record(new HistoryEvent { What = What.BrokerSaid, Text = line });
            else if (line.Contains("missed heartbeats", StringComparison.Ordinal) && At(line, offset) is { } at
                && !faults.Any(fault => at > fault.Begin && at < fault.Back + HeartbeatGrace))
                recorder.Record(new HistoryEvent { What = What.BrokerSaid, Text = $"outside of every fault: {line}" });
        }
    }

    /// <summary>The logs go with the nodes; they say why.</summary>
    internal void CopyTo(string folder)
    {
        Directory.CreateDirectory(folder);
        foreach (PrivateRabbitMqNode node in nodes)
        {
            foreach (string file in Directory.EnumerateFiles(Path.Combine(node.Folder, "log"), "*.log"))
                File.Copy(file, Path.Combine(folder, Path.GetFileName(file)), overwrite: true);
        }
    }

    private double? At(string line, double offset)
        => line.Length > 32 && DateTimeOffset.TryParse(
            line[..32], CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset at)
            ? (at - _start).TotalMilliseconds - offset
            : null;

    private static IEnumerable<string> Lines(PrivateRabbitMqNode node)
    {
        foreach (string file in Directory.EnumerateFiles(Path.Combine(node.Folder, "log"), "*.log"))
        {
            using var stream = new FileStream(
                file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var reader = new StreamReader(stream);
            while (reader.ReadLine() is { } line)
                yield return line;
        }
    }
}
