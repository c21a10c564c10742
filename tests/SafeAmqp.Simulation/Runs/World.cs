using Microsoft.Extensions.Logging.Abstractions;
using SafeAmqp.Actor;
using SafeAmqp.Links;
using SafeAmqp.Owner;
using SafeAmqp.Publishing;
using SafeAmqp.Simulation.Brokers;
using SafeAmqp.Simulation.Checking;
using SafeAmqp.Telemetry;
using SafeAmqp.Topology;
using static SafeAmqp.Simulation.Checking.ViolationException;

namespace SafeAmqp.Simulation.Runs;

/// <summary>
/// One run: the actor as it is, its thread's loop, its callers and its broker, all in virtual time and all from one
/// plan. Promises are checked at each step and at the end.
/// </summary>
internal sealed partial class World
{
    internal static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(2);
    internal static readonly TimeSpan MaxDelay = TimeSpan.FromSeconds(1);
    internal static readonly TimeSpan RefusedDelay = TimeSpan.FromSeconds(2);

    private static readonly LinkEvents Silent = new(NullLogger.Instance, "test", "simulated");
    private static readonly IoThread NoThread = new(
        "simulated", new MonotonicClock(TimeProvider.System), Silent, _ => ActorTime.Never);
    private static readonly AmqpClientStatus NoStatus = new([]);

    private readonly PriorityQueue<Action, (long Time, long Tie)> _events = new();
    private readonly Queue<IActorMessage> _mailbox = new();
    private readonly ConnectionActor _actor;
    private readonly TopologyLedger _topology = new();
    private readonly Counts _counts;
    private readonly Dice _order;
    private readonly Dice _dice;
    private readonly Dice _waits;
    private readonly Dice _reading;
    private readonly SimulatedBroker _broker;
    private readonly HistoryChecker _checker;
    private long _waitingSince;
    private long _lastTurn;
    private int _idleTurns;

    internal World(Plan plan, Counts counts)
    {
        Scenario = new Scenario(plan);
        _order = plan.DiceFor("order");
        _dice = plan.DiceFor("users");
        _waits = plan.DiceFor("waits");
        _reading = plan.DiceFor("reading");
        Dice delays = plan.DiceFor("delays");
        _counts = counts;
        _broker = new SimulatedBroker(this, plan.DiceFor("broker"));
        _credit = new Credit(Scenario.MaxPending, Scenario.MaxPendingBytes);
        _places = new Credit(Scenario.MaxCalls, long.MaxValue);
        _checker = new HistoryChecker(() => _closedSince, Scenario.Republish);
        var settings = new ActorSettings
        {
            Name = "simulated",
            OwnsExclusiveQueues = Scenario.OwnsExclusiveQueues,
            Hosts = Scenario.Hosts,
            Heartbeat = Scenario.Heartbeat,
            ConnectTimeout = ConnectTimeout,
            OperationTimeout = Scenario.OperationTimeout,
            Reconnect = new(TimeSpan.FromMilliseconds(50), MaxDelay, RefusedDelay),
            MaxUnconfirmedMessages = Scenario.Window,
            MaxUnconfirmedBytes = Scenario.WindowBytes,
            Republish = Scenario.Republish,
        };
        _actor = new LinkActor(settings, _broker, _topology, Silent, delays.NextDouble, () => NoStatus);
    }

    internal Scenario Scenario { get; }

    internal Trace Trace { get; } = new();

    internal long Now { get; private set; }

    internal bool IsOver { get; private set; }

    internal AmqpLinkState State => _actor.State;

    internal bool IsClosing => _actor.State is AmqpLinkState.Closing or AmqpLinkState.Closed;

    /// <summary>What has been declared and has to be there on each link.</summary>
    internal IReadOnlyList<TopologyItem> Topology => _topology.ForLink(Scenario.OwnsExclusiveQueues);

    /// <summary>Whether something that could route a message is being declared.</summary>
    internal bool MustWait(AmqpMessage message) => _topology.Awaited(message) is not null;

    internal static long Ms(double milliseconds) => TimeSpan.FromMilliseconds(milliseconds).Ticks;

    internal void Note(string what, long a = 0, long b = 0) => Trace.Add(Now, what, a, b);

    internal void Count(string what, long by = 1) => _counts.Add(what, by);

    internal void At(long time, Action action) => _events.Enqueue(action, (time, _order.NextInt64(long.MaxValue)));

    internal void After(long ticks, Action action) => At(Now + ticks, action);

    internal void Post(IActorMessage message)
    {
        if (_mailbox.Count == 0)
            _waitingSince = Now;
        _mailbox.Enqueue(message);
    }

    /// <summary>Runs the whole plan.</summary>
    internal void Run()
    {
        Post(new ActorCommand.Start());
        StartCallers();
        After(0, Misbehave);
        if (Scenario[Fault.Disposal] > 0.6)
            At(_dice.NextInt64(Scenario.Trouble), () => BeginClose(Ms(_dice.Next(3_000))));
        RunUntil(() => Now >= Scenario.Trouble, Scenario.Trouble);

        Note("healed");
        _broker.Heal();
        RunUntil(() => IsQuiet, Now + Ms(120_000));
        // the broker may still read what it had not, and close a channel over it
        RunUntil(() => false, Now + Ms(1_000));
        RunUntil(() => IsQuiet, Now + Ms(30_000)); // or answer nothing to a consumer that stops
        Require(IsQuiet, $"it does not come to rest: {Pending()}");
        if (!_actor.IsClosed && _closed is null)
        {
            ProveItWorks();
            BeginClose(Ms(2_000));
            RunUntil(() => _actor.IsClosed, Now + Ms(2_000) + HistoryChecker.Tolerance);
        }
        Require(_actor.IsClosed && _closed!.HasEnded, "the link is not closed");
        IsOver = true;
        RunUntil(() => false, Now + Ms(30_000)); // what is still on its way finds no receiver
        CheckEnd();
    }

    private bool IsQuiet => _sendings.Count == _sent && _pending.Count == 0 && AreConsumersAtRest
        && (!IsServed || _broker.HasDeaf || _requests.TrueForAll(request => request.IsAcked))
        && (_closed is null
            ? _actor.State == AmqpLinkState.Open && _broker is { IsConnected: true, HasEndOnItsWay: false }
                && _credit.Messages == 0
            : _actor.IsClosed);

    private void RunUntil(Func<bool> done, long limit)
    {
        while (!done())
        {
            long due = _events.TryPeek(out _, out var first) ? first.Time : ActorTime.Never;
            long wake = _actor.IsClosed ? ActorTime.Never : Math.Min(_actor.NextWake, LookAfterCredit());
            bool mailIsLate = _mailbox.Count > 0
                && (due > _waitingSince + Ms(2) || wake <= Now || _order.NextDouble() >= Scenario.Batching);
            if (mailIsLate)
            {
                Turn();
            }
            else if (Math.Min(due, wake) >= limit && _mailbox.Count == 0)
            {
                Now = Math.Max(Now, limit);
                return;
            }
            else if (wake < due)
            {
                Now = Math.Max(Now, wake);
                Turn();
            }
            else
            {
                Now = Math.Max(Now, due);
                _events.Dequeue()();
                if (_actor.IsClosed)
                    LookAfterCallers(); // no thread does any more, and each ends at once
            }
        }
    }

    // The thread's loop: a batch, then one look at what became possible.
    private void Turn()
    {
        _idleTurns = _mailbox.Count == 0 && Now == _lastTurn ? _idleTurns + 1 : 0;
        Require(_idleTurns < 1_000, "the actor asks to be advanced again and again");
        _lastTurn = Now;
        for (int i = 0; i < 256 && _mailbox.TryDequeue(out IActorMessage? message); i++)
        {
            Trace.Add(Now, message.GetType().Name);
            if (!_actor.IsClosed)
                _broker.Heard(message);
            _actor.Handle(message, Now);
        }
        if (!_actor.IsClosed)
        {
            _actor.Advance(Now);
            _actor.Flush();
        }
        _waitingSince = Now;
        LookAtEnds();
        CheckStep();
    }

    private void LookAfterCallers()
    {
        LookAfterCredit();
        LookAtEnds();
    }

    private void Misbehave()
    {
        if (_broker.IsHealed)
            return;
        _broker.Misbehave(0.01);
        After(Ms(10), Misbehave);
    }

    private bool Chance(double probability) => !_broker.IsHealed && _dice.Chance(probability);
}
