namespace SafeAmqp.Telemetry;

/// <summary>Bytes and sends of a link over all its connections.</summary>
internal readonly record struct TransportTotals(long BytesReceived, long BytesSent, long Sends)
{
    public static TransportTotals operator +(TransportTotals a, TransportTotals b)
        => new(a.BytesReceived + b.BytesReceived, a.BytesSent + b.BytesSent, a.Sends + b.Sends);
}

/// <summary>What a link shows when somebody collects.</summary>
internal readonly record struct LinkReading(AmqpLinkStatus Status, long Recoveries, TimeSpan Blocked, TimeSpan Busy, TransportTotals Totals,
    TimeSpan PoolDelay, int PoolStarvations);

/// <summary>One link's part in the instruments: read when somebody collects, told of what happens only once.</summary>
internal sealed class LinkMetrics(Instruments instruments, string client, string link, Func<LinkReading> read)
{
    internal KeyValuePair<string, object?>[] Tags { get; } = [new(Attributes.Client, client), new(Attributes.Link, link)];

    internal KeyValuePair<string, object?> ClientTag { get; } = new(Attributes.Client, client);

    /// <summary>Whether it stands for its client where that has one value for all its links.</summary>
    internal bool IsFirst { get; } = link != "receive";

    /// <summary>Whether anybody wants to know how long confirms take.</summary>
    internal bool TimesConfirms => instruments.ConfirmDuration.Enabled;

    internal LinkReading Read() => read();

    internal void Show() => instruments.Add(this);

    internal void Hide() => instruments.Remove(this);

    internal void Confirmed(TimeSpan after) => instruments.ConfirmDuration.Record(after.TotalSeconds, Tags);

    internal void Recovered(TimeSpan after) => instruments.RecoveryDuration.Record(after.TotalSeconds, Tags);
}
