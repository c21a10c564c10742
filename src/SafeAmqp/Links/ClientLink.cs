using Microsoft.Extensions.Logging;
using SafeAmqp.Actor;
using SafeAmqp.Broker;
using SafeAmqp.Owner;
using SafeAmqp.Telemetry;
using SafeAmqp.Topology;

namespace SafeAmqp.Links;

/// <summary>One link of a client: a broker connection, an actor, a thread.</summary>
internal sealed class ClientLink
{
    private readonly RabbitMqLink _broker;
    private readonly Lock _openedGate = new();
    private Task? _opened;

    internal ClientLink(AmqpClientOptions options, BrokerAddress address, ActorSettings settings, MonotonicClock clock,
        ILogger logger, TopologyLedger topology, Func<AmqpClientStatus> snapshot, Func<long, long> onTime,
        StarvationProbe probe, Action<AmqpStateChangedEventArgs> moved)
    {
        var config = LinkConfig.From(options, address, settings.Name);
        Metrics = new LinkMetrics(Instruments.Of(options.Telemetry.MeterFactory), config.ClientName, settings.Name,
            () => Read(snapshot(), probe));
        var events = new LinkEvents(logger, config.ClientName, settings.Name, Metrics, options.TimeProvider, moved);
        Thread = new IoThread($"safeamqp-io:{config.ConnectionName}", clock, events, onTime);
        _broker = new RabbitMqLink(Thread, config, events);
#pragma warning disable RS0030 // injected here
        Thread.Actor = new LinkActor(settings, _broker, topology, events, Random.Shared.NextDouble, snapshot);
#pragma warning restore RS0030
    }

    internal IoThread Thread { get; }

    internal LinkMetrics Metrics { get; }

    /// <summary>Completes when the last connection has been closed.</summary>
    internal Task Teardown => _broker.Teardown;

    /// <summary>The broker's version, once it has been connected to and told it.</summary>
    internal Version? BrokerVersion => _broker.BrokerVersion;

    internal LinkEndpoint Endpoint => _broker.Endpoint;

    internal void Connect()
    {
        Metrics.Show();
        Thread.Post(new ActorCommand.Start());
        Thread.Start();
    }

    /// <summary>Until it is open, however long that takes. One wait for all callers: most of them leave before a broker
    /// that is away is back.</summary>
    internal Task OpenedAsync()
    {
        lock (_openedGate)
        {
            if (_opened is not { IsCompleted: false })
                _opened = WaitOpenAsync(failFast: false, ActorTime.Never);
            return _opened;
        }
    }

    /// <summary>Until it is open, or an attempt has failed and the deadline has come.</summary>
    internal Task FailFastAsync(long deadline) => WaitOpenAsync(failFast: true, deadline);

    private Task WaitOpenAsync(bool failFast, long deadline)
    {
        var opened = new Completion<bool>();
        Thread.PostOrAbandon(new ActorCommand.WaitOpen(failFast, opened, deadline));
        Task wait = opened.Task.AsTask();
        wait.Forget(); // it may fail when the last caller has left
        return wait;
    }

    internal AmqpLinkStatus Status(long now, IReadOnlyList<AmqpConsumerStatus> consumers, int waitingCallers)
        => Thread.Actor.Status(now, consumers, waitingCallers);

    private LinkReading Read(AmqpClientStatus status, StarvationProbe probe)
    {
        ConnectionActor actor = Thread.Actor;
        return new LinkReading(status.Links.First(link => link.Name == actor.Settings.Name), actor.Recoveries,
            actor.Blocked(Thread.Clock.Now), Thread.Busy, _broker.Totals, probe.Delay, probe.Starvations);
    }
}
