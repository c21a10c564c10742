using System.Globalization;
using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using SampleSettings;

namespace FederatedLearning.Client;

/// <summary>The client's own settings, beside those of its data and of its protocols.</summary>
internal sealed record ClientSettings
{
    /// <summary>The client's id: <c>CLIENT_ID</c>.</summary>
    public required ClientId Id { get; init; }

    /// <summary>
    /// Which share of the data is its own, from 0: <c>DATA_SHARE</c>. Not set: a number that is its id, less one.
    /// </summary>
    public required int Share { get; init; }

    /// <summary>What it speaks, in the order in which it is tried: <c>PROTOCOL_SELECTION</c>. Not set: AMQP.</summary>
    public string? Protocols { get; init; }

    /// <summary>
    /// After how many rounds it goes on to the next protocol of its list: <c>PROTOCOL_ROUNDS</c>; 0 for never.
    /// </summary>
    public int RoundsPerProtocol { get; init; }

    /// <summary>How patient it is.</summary>
    public ClientConnectionOptions Connection { get; init; } = new();

    /// <summary>Reads the settings.</summary>
    /// <exception cref="InvalidOperationException">A value is not valid; the message names the setting.</exception>
    public static ClientSettings From(Func<string, string?> setting)
    {
        var read = new SettingReader(setting);
        if (!ClientId.TryParse(read.Text("CLIENT_ID", "1"), out var id))
            throw new InvalidOperationException(
                $"CLIENT_ID must be 1 to {ClientId.MaxLength} letters, digits, '_' or '-'.");
        bool isNumber = int.TryParse(id.Value, NumberStyles.None, CultureInfo.InvariantCulture, out int number);
        return new ClientSettings
        {
            Id = id,
            Share = read.Whole("DATA_SHARE", isNumber ? Math.Max(0, number - 1) : 0, 0, int.MaxValue),
            Protocols = read.Text("PROTOCOL_SELECTION"),
            RoundsPerProtocol = read.Whole("PROTOCOL_ROUNDS", 0, 0, 1_000_000),
            Connection = ClientConnectionOptions.From(read),
        };
    }
}
