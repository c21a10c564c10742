using SafeAmqp.Actor;
using SafeAmqp.Consuming;
using SafeAmqp.Topology;
using static SafeAmqp.Simulation.Checking.ViolationException;

namespace SafeAmqp.Simulation.Runs;

// The callers that consume, declare, wait for the link and close it.
internal sealed partial class World
{
    private readonly List<(Subscription Subscription, long StartBy)> _subscriptions = [];
    private readonly HashSet<Subscription> _started = [];
    private readonly HashSet<Subscription> _stopped = [];
    private readonly List<AdminJob> _declares = [];
    private readonly List<(Completion<bool> Completion, bool FailFast)> _openWaits = [];
    private readonly Dictionary<(long Incarnation, ulong Tag), AmqpSettlement> _requested = [];
    private Completion<bool>? _closed;
    private long _closedSince = ActorTime.Never;
    private long _closeBy;

    internal long CloseBy => _closeBy;

    private bool AreConsumersAtRest => _subscriptions.TrueForAll(s => s.Subscription.Ended.HasEnded
        || (s.Subscription.State == AmqpConsumerState.Live && !_stopped.Contains(s.Subscription)));

    /// <summary>A delivery was settled on the wire.</summary>
    internal void Settled(long incarnation, ulong tag, AmqpSettlement settlement)
    {
        Require(
            _requested.Remove((incarnation, tag), out AmqpSettlement wanted),
            $"delivery {tag} of channel {incarnation} was settled without a request");
        Require(
            wanted == settlement,
            $"delivery {tag} of channel {incarnation} was to be settled with {wanted}, not {settlement}");
        Count("settled");
    }

    private void StartCallers()
    {
        StartPublishers();
        for (int i = 0; i < Scenario.Consumers; i++)
            After(_dice.NextInt64(Ms(1_000)), Subscribe);
        StartServers();
        StartReaders();
        for (int i = _dice.Next(4); i > 0; i--)
            After(_dice.NextInt64(Ms(3_000)), Declare);
        for (int i = _dice.Next(3); i > 0; i--)
            After(_dice.NextInt64(Ms(500)), WaitOpen);
    }

    private void WaitOpen()
    {
        bool failFast = _dice.Next(2) == 0;
        var wait = new Completion<bool>();
        _openWaits.Add((wait, failFast));
        Send(new ActorCommand.WaitOpen(failFast, wait));
    }

    private void Subscribe()
    {
        var options = new AmqpConsumerOptions { Prefetch = Scenario.Prefetch };
        var subscription = new Subscription(
            $"work-{_subscriptions.Count}", options, NoThread, s => new Handlers(this, s));
        _subscriptions.Add((subscription, Now + Scenario.OperationTimeout.Ticks));
        Send(new ConsumerCommand.Consume(subscription));
        if (_dice.Next(3) == 0)
            After(_dice.NextInt64(Ms(5_000)), () => Stop(subscription));
    }

    // As Subscription.StopAsync does.
    private void Stop(Subscription subscription)
    {
        if (!_stopped.Add(subscription))
            return;
        Note("stop");
        Send(new ConsumerCommand.Stop(subscription));
        void EndWhenQuiet()
        {
            if (subscription.Quiet.HasEnded)
                After(_dice.NextInt64(Ms(1_000)), () => EndNow(subscription));
            else
                After(Ms(1), EndWhenQuiet);
        }
        EndWhenQuiet();
    }

    private void EndNow(Subscription subscription)
    {
        if (subscription.Serves is not null)
            _ends[subscription] = Now + ServerStopTimeout.Ticks;
        Send(new ConsumerCommand.End(subscription));
    }

    private void Declare()
    {
        string queue = $"queue-{_declares.Count}";
        TopologyItem[] items =
        [
            new TopologyItem.Queue(new AmqpQueue { Name = queue, Exclusive = _dice.Next(4) == 0 }),
            new TopologyItem.Exchange(new AmqpExchange { Name = "declared" }),
            new TopologyItem.Binding(new AmqpBinding { Exchange = "declared", Queue = queue }),
            new TopologyItem.Queue(new AmqpQueue { Name = _dice.Pick("refused", "work-0", "work-1") }),
        ];
        var job = new AdminJob(items[.._dice.Next(1, 5)], Now + Scenario.OperationTimeout.Ticks);
        _declares.Add(job);
        _topology.Begin(job.Requests); // as AmqpClient does
        Send(job);
    }

    private void BeginClose(long within)
    {
        if (_closed is not null)
            return;
        Note("close");
        Count("disposals");
        _closed = new Completion<bool>();
        _closedSince = Now;
        _closeBy = Now + within;
        _credit.Close();
        Send(new ActorCommand.Close(_closeBy, _closed));
    }

    /// <summary>Handlers that settle after a while: sometimes so late that the delivery is lost.</summary>
    private sealed class Handlers(World world, Subscription subscription) : IDeliveryPump
    {
        public void Post(AmqpDelivery delivery)
        {
            Require(!subscription.Quiet.HasEnded, "a delivery came after the consumer was said to be quiet");
            Require(!delivery.Lost.IsCancellationRequested, "a delivery came that was lost already");
            Dice dice = world._dice;
            AmqpSettlement settlement = dice.Next(5) switch
            {
                0 => AmqpSettlement.Requeue,
                1 => AmqpSettlement.Reject,
                _ => AmqpSettlement.Ack
            };
            long time = dice.Next(10) == 0 ? Ms(dice.Next(5_000)) : Ms(dice.Next(30));
            world.After(time, () =>
            {
                Require(
                    delivery.Lost.IsCancellationRequested || world._broker.IsInUse(delivery.Incarnation),
                    "the channel of a delivery is gone, and its handler was not told");
                if (delivery.Lost.IsCancellationRequested && dice.Next(2) == 0)
                    return; // the handler saw its token; the other half is as quick as the loss
                world._requested[(delivery.Incarnation, delivery.DeliveryTag)] = settlement;
                world.Send(new ConsumerCommand.Settle(subscription, delivery, settlement));
            });
        }

        public Task StopAsync(TimeSpan timeout, TimeProvider time) => Task.CompletedTask;
    }
}
