using System.Net;

namespace SafeAmqp.Telemetry;

/// <summary>Bytes and sends of a link over all its connections.</summary>
internal readonly record struct TransportTotals(long BytesReceived, long BytesSent, long Sends)
{
    public static TransportTotals operator +(TransportTotals a, TransportTotals b)
        => new(a.BytesReceived + b.BytesReceived, a.BytesSent + b.BytesSent, a.Sends + b.Sends);
}

/// <summary>What a link shows when somebody collects.</summary>
internal readonly record struct LinkReading(AmqpLinkStatus Status, long Recoveries, TimeSpan Blocked, TimeSpan Busy,
    TransportTotals Totals,
    TimeSpan PoolDelay, int PoolStarvations);

/// <summary>
/// One link's part in the instruments: read on collection; one-off events are recorded as they happen.
/// </summary>
internal sealed class LinkMetrics(Instruments instruments, string client, string link, Func<LinkReading> read)
{
    internal KeyValuePair<string, object?>[] Tags { get; } =
        [new(Attributes.Client, client), new(Attributes.Link, link)];

    internal KeyValuePair<string, object?> ClientTag { get; } = new(Attributes.Client, client);

    /// <summary>Whether it reports the values that a client has once for all its links.</summary>
    internal bool IsFirst { get; } = link != "receive";

    /// <summary>Whether anybody wants to know how long confirms take.</summary>
    internal bool TimesConfirms => instruments.ConfirmDuration.Enabled;

    internal LinkReading Read() => read();

    internal void Show() => instruments.Add(this);

    internal void Hide() => instruments.Remove(this);

    internal void Confirmed(TimeSpan after) => instruments.ConfirmDuration.Record(after.TotalSeconds, Tags);

    internal void Recovered(TimeSpan after) => instruments.RecoveryDuration.Record(after.TotalSeconds, Tags);
}

/// <summary>Where a link is or was last connected to, as the values of attributes.</summary>
internal sealed class LinkEndpoint(string address, int port, IPAddress? peer = null, int peerPort = 0)
{
    internal string Address => address;

    internal object Port { get; } = port;

    /// <summary>The address that the host's name led to; null before the first connection.</summary>
    internal string? PeerAddress { get; } = peer?.ToString();

    internal object PeerPort { get; } = peerPort;
}
