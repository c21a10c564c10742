using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Net;
using System.Runtime.CompilerServices;

namespace SafeAmqp.Telemetry;

/// <summary>Every instrument of one meter. Those that read what the actors keep anyway cost nothing until they are
/// collected; the others are recorded only while something listens. All clients with one factory share them.</summary>
internal sealed class Instruments
{
    /// <summary>The conventions' advice for both of their histograms.</summary>
    private static readonly InstrumentAdvice<double> Durations =
        Buckets(0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10);

    /// <summary>From a broker on the same machine to one that syncs a slow disk.</summary>
    private static readonly InstrumentAdvice<double> Confirms =
        Buckets(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 10);

    /// <summary>From a lost connection to a node that is repaired.</summary>
    private static readonly InstrumentAdvice<double> Recoveries =
        Buckets(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800);

    private static readonly Lazy<Instruments> OfProcess =
        new(() => new Instruments(new Meter(new MeterOptions(AmqpTelemetry.MeterName) { Version = Tracing.Version })));
    private static readonly ConditionalWeakTable<IMeterFactory, Instruments> PerFactory = [];

    private readonly ConcurrentDictionary<LinkMetrics, bool> _links = [];
    private readonly BoundedNames _queues = new(static queue => queue);

    private Instruments(Meter meter)
    {
        OperationDuration = meter.CreateHistogram("messaging.client.operation.duration", "s",
            "Duration of sending, receiving and settling, with the wait for the broker's answer.", null, Durations);
        ProcessDuration = meter.CreateHistogram("messaging.process.duration", "s", "Duration of handling a delivery.",
            null, Durations);
        Sent = meter.CreateCounter<long>("messaging.client.sent.messages", "{message}",
            "Messages that were passed to the connection.");
        Consumed = meter.CreateCounter<long>("messaging.client.consumed.messages", "{message}",
            "Messages that were handed to the application.");
        Outcomes = meter.CreateCounter<long>("safeamqp.publish.outcomes", "{message}",
            "What became of messages that were to be published.");
        Redelivered = meter.CreateCounter<long>("safeamqp.consumer.redelivered", "{delivery}",
            "Deliveries that the broker had made before.");
        Rejected = meter.CreateCounter<long>("safeamqp.consumer.rejected", "{message}",
            "Messages that left their queue without having been handled.");
        Unroutable = meter.CreateCounter<long>("safeamqp.rpc.unroutable", "{call}",
            "Calls whose request no queue received.");
        ConfirmDuration = meter.CreateHistogram("safeamqp.confirm.duration", "s",
            "From passing a publish to the connection to the broker's answer; one publish at a time is timed on each "
                + "channel.", null, Confirms);
        RecoveryDuration = meter.CreateHistogram("safeamqp.connection.recovery.duration", "s",
            "From the loss of a link to the moment when it is open again.", null, Recoveries);

        meter.CreateObservableUpDownCounter("safeamqp.connection.state", () => EachState(), "{link}",
            "1 for the state that a link is in, 0 for the others.");
        meter.CreateObservableGauge("safeamqp.connection.epoch", () => Each<long>(static link => link.Status.Epoch),
            "{epoch}", "Connections and attempts at one since the client was made.");
        Count(meter, "safeamqp.connection.recoveries", "{recovery}", "How often a lost link was open again.",
            static link => link.Recoveries);
        Seconds(meter, "safeamqp.connection.blocked.duration",
            "How long the broker has been blocking publishing, all in all.", static link => link.Blocked);
        Count(meter, "safeamqp.connection.received.bytes", "By", "Bytes that came from the broker.",
            static link => link.Totals.BytesReceived);
        Count(meter, "safeamqp.connection.sent.bytes", "By", "Bytes that went to the broker.",
            static link => link.Totals.BytesSent);
        Count(meter, "safeamqp.connection.sends", "{send}",
            "Sends that carried them: what one gathers is the quotient.", static link => link.Totals.Sends);
        Level(meter, "safeamqp.publish.queue.length", "{message}", "Messages that wait here and were not sent.",
            static link => link.Status.QueuedMessages);
        meter.CreateObservableGauge("safeamqp.publish.queue.wait",
            () => Each(static link => (link.Status.OldestQueued ?? TimeSpan.Zero).TotalSeconds), "s",
            "How long the oldest of them has been waiting.");
        Level(meter, "safeamqp.publish.callers.waiting", "{caller}",
            "Callers that wait until fewer messages are pending.", static link => link.Status.WaitingCallers);
        Level(meter, "safeamqp.confirms.pending", "{message}",
            "Messages that were sent and not answered by the broker.", static link => link.Status.UnconfirmedMessages);
        meter.CreateObservableUpDownCounter("safeamqp.consumer.inflight", () => EachConsumer(), "{delivery}",
            "Deliveries that are not settled.");
        Count(meter, "safeamqp.consumer.stale_settlements", "{settlement}",
            "Settlements that came after the delivery's channel was gone.",
            static link => link.Status.StaleSettlements);
        Level(meter, "safeamqp.rpc.pending", "{call}", "Calls that wait for their reply.",
            static link => link.Status.PendingCalls);
        Count(meter, "safeamqp.rpc.late_replies", "{reply}", "Replies that came too late, twice or for no call.",
            static link => link.Status.LateReplies);
        Seconds(meter, "safeamqp.actor.loop.busy",
            "How long a link's I/O thread has been working; its rate is the thread's busy share.",
            static link => link.Busy);
        meter.CreateObservableGauge("safeamqp.threadpool.delay",
            () => EachClient(static link => link.PoolDelay.TotalSeconds), "s",
            "How long the last work item waited for a thread of the process's pool.");
        meter.CreateObservableCounter("safeamqp.threadpool.starvations",
            () => EachClient(static link => (long)link.PoolStarvations), "{starvation}",
            "How often the process's thread pool was found starved.");
    }

    internal Histogram<double> OperationDuration { get; }
    internal Histogram<double> ProcessDuration { get; }
    internal Counter<long> Sent { get; }
    internal Counter<long> Consumed { get; }
    internal Counter<long> Outcomes { get; }
    internal Counter<long> Redelivered { get; }
    internal Counter<long> Rejected { get; }
    internal Counter<long> Unroutable { get; }
    internal Histogram<double> ConfirmDuration { get; }
    internal Histogram<double> RecoveryDuration { get; }

    internal static Instruments Of(IMeterFactory? factory)
        => factory is null ? OfProcess.Value
            : PerFactory.GetValue(factory,
                static f => new Instruments(
                    f.Create(new MeterOptions(AmqpTelemetry.MeterName) { Version = Tracing.Version })));

    internal void Add(LinkMetrics link) => _links.TryAdd(link, true);

    internal void Remove(LinkMetrics link) => _links.TryRemove(link, out _);

    private static InstrumentAdvice<double> Buckets(params double[] boundaries)
        => new() { HistogramBucketBoundaries = boundaries };

    private void Count(Meter meter, string name, string unit, string description, Func<LinkReading, long> read)
        => meter.CreateObservableCounter(name, () => Each(read), unit, description);

    private void Level(Meter meter, string name, string unit, string description, Func<LinkReading, long> read)
        => meter.CreateObservableUpDownCounter(name, () => Each(read), unit, description);

    private void Seconds(Meter meter, string name, string description, Func<LinkReading, TimeSpan> read)
        => meter.CreateObservableCounter(name, () => Each(link => read(link).TotalSeconds), "s", description);

    private IEnumerable<Measurement<T>> Each<T>(Func<LinkReading, T> read) where T : struct
    {
        foreach (LinkMetrics link in _links.Keys)
            yield return new Measurement<T>(read(link.Read()), link.Tags);
    }

    private IEnumerable<Measurement<T>> EachClient<T>(Func<LinkReading, T> read) where T : struct
    {
        foreach (LinkMetrics link in _links.Keys.Where(link => link.IsFirst))
            yield return new Measurement<T>(read(link.Read()), link.ClientTag);
    }

    private IEnumerable<Measurement<long>> EachState()
    {
        foreach (LinkMetrics link in _links.Keys)
        {
            AmqpLinkState now = link.Read().Status.State;
            foreach (AmqpLinkState state in Enum.GetValues<AmqpLinkState>())
                yield return new Measurement<long>(state == now ? 1 : 0,
                    [.. link.Tags, new(Attributes.State, StatusText.Name(state))]);
        }
    }

    private IEnumerable<Measurement<long>> EachConsumer()
    {
        foreach (LinkMetrics link in _links.Keys)
        {
            // One queue may have several consumers here, and those whose queues have no name of their own are one.
            foreach (var queue in link.Read().Status.Consumers.GroupBy(
                consumer => Destination.IsMadeUp(consumer.Queue) ? null : _queues.Of(consumer.Queue)))
                yield return new Measurement<long>(queue.Sum(consumer => consumer.Unsettled),
                    queue.Key is { } name ? [.. link.Tags, new(Attributes.Destination, name)] : link.Tags);
        }
    }
}

/// <summary>Bytes and sends of a link over all its connections.</summary>
internal readonly record struct TransportTotals(long BytesReceived, long BytesSent, long Sends)
{
    public static TransportTotals operator +(TransportTotals a, TransportTotals b)
        => new(a.BytesReceived + b.BytesReceived, a.BytesSent + b.BytesSent, a.Sends + b.Sends);
}

/// <summary>What a link shows when metrics are collected.</summary>
internal readonly record struct LinkReading(AmqpLinkStatus Status, long Recoveries, TimeSpan Blocked, TimeSpan Busy,
    TransportTotals Totals, TimeSpan PoolDelay, int PoolStarvations);

/// <summary>One link's part in the instruments: read on collection; one-off events are recorded as they
/// happen.</summary>
internal sealed class LinkMetrics(Instruments instruments, string client, string link, Func<LinkReading> read)
{
    internal KeyValuePair<string, object?>[] Tags { get; } =
        [new(Attributes.Client, client), new(Attributes.Link, link)];

    internal KeyValuePair<string, object?> ClientTag { get; } = new(Attributes.Client, client);

    /// <summary>Whether it reports the values that a client has once for all its links.</summary>
    internal bool IsFirst { get; } = link != "receive";

    /// <summary>Whether anything listens to how long confirms take.</summary>
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
