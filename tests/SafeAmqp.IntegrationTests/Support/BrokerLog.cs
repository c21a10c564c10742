using LocalBroker;

namespace SafeAmqp.IntegrationTests.Support;

/// <summary>What a node writes into its log. The broker is the only one who knows that a client settled wrongly.</summary>
public sealed class BrokerLog
{
    private readonly string _file;
    private readonly Witness _witness;
    private int _seen;

    private BrokerLog(PrivateRabbitMqNode node, Witness witness)
    {
        _file = Path.Combine(node.Folder, "log", $"{node.Name}.log");
        _witness = witness;
    }

    /// <summary>Begins to watch; what happened before does not count.</summary>
    public static async Task<BrokerLog> WatchAsync(PrivateRabbitMqNode node, Witness witness, CancellationToken cancellationToken)
    {
        var log = new BrokerLog(node, witness);
        await log.ChannelErrorsAsync(cancellationToken);
        return log;
    }

    /// <summary>The lines about channels that the broker closed over an error since the last call. Waits for an error of the witness's own to
    /// appear, so that an empty answer means that there was none, and that this object would have seen one.</summary>
    public async Task<IReadOnlyList<string>> ChannelErrorsAsync(CancellationToken cancellationToken)
    {
        string mark = $"mark.{Guid.NewGuid():N}";
        await _witness.LeaveMarkAsync(mark);
        while (true)
        {
            List<string> lines = Lines();
            int end = lines.FindIndex(line => line.Contains(mark, StringComparison.Ordinal));
            if (end >= 0)
            {
                List<string> errors = lines.GetRange(_seen, end - _seen).FindAll(line => line.Contains("caused a channel exception", StringComparison.Ordinal));
                _seen = end + 1;
                return errors;
            }
            await Task.Delay(20, cancellationToken);
        }
    }

    private List<string> Lines()
    {
        using var stream = new FileStream(_file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var reader = new StreamReader(stream);
        return [.. reader.ReadToEnd().Split('\n')];
    }
}
