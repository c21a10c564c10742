using System.Globalization;
using FederatedLearning.Amqp;
using FederatedLearning.Messages;
using Microsoft.Extensions.Configuration;

namespace FederatedLearning.Client;

/// <summary>The client's own settings, beside those of its data and of AMQP.</summary>
/// <param name="Id">Who it is: <c>CLIENT_ID</c>.</param>
/// <param name="Way">Whether it is served by broadcast or by queues of its own: <c>CLIENT_WAY</c>, <c>broadcast</c> or <c>unified</c>.</param>
/// <param name="Share">Which share of the data is its own, from 0: <c>DATA_SHARE</c>. Not set: a number that is its id, less one.</param>
internal sealed record ClientSettings(ClientId Id, ClientWay Way, int Share)
{
    /// <summary>Reads the settings.</summary>
    /// <exception cref="InvalidOperationException">A value is not valid; the message names the setting.</exception>
    public static ClientSettings From(IConfiguration configuration)
    {
        var text = configuration["CLIENT_ID"];
        if (!ClientId.TryParse(string.IsNullOrWhiteSpace(text) ? "1" : text.Trim(), out var id))
            throw new InvalidOperationException($"CLIENT_ID must be 1 to {ClientId.MaxLength} letters, digits, '_' or '-'.");
        var way = configuration["CLIENT_WAY"]?.Trim().ToLowerInvariant() switch
        {
            null or "" or "broadcast" => ClientWay.Broadcast,
            "unified" => ClientWay.Unified,
            _ => throw new InvalidOperationException("CLIENT_WAY must be broadcast or unified."),
        };
        var share = configuration["DATA_SHARE"];
        if (string.IsNullOrWhiteSpace(share))
            return new ClientSettings(id, way, int.TryParse(id.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? Math.Max(0, number - 1) : 0);
        return int.TryParse(share, NumberStyles.None, CultureInfo.InvariantCulture, out var chosen)
            ? new ClientSettings(id, way, chosen)
            : throw new InvalidOperationException("DATA_SHARE must be a whole number from 0.");
    }
}
