using System.Globalization;
using SafeAmqp.Actor;
using SafeAmqp.Consuming;
using SafeAmqp.Publishing;
using SafeAmqp.Rpc;
using SafeAmqp.Topology;

namespace SafeAmqp.Tests.Simulation;

// Those who use the client: publishers, callers, consumers, declarers.
internal sealed partial class Simulation
{
    private static readonly AmqpReplyAddress FixedQueue = AmqpReplyAddress.Queue("fixed");

    private readonly Credit _credit;
    private readonly Credit _places = new(1_000, long.MaxValue);
    private readonly List<Attempt> _pending = [];
    private readonly List<(Attempt Attempt, Credit.Waiter Waiter, Action Granted)> _inLine = [];
    private readonly List<(Subscription Subscription, long StartBy)> _subscriptions = [];
    private readonly HashSet<Subscription> _started = [];
    private readonly HashSet<Subscription> _stopped = [];
    private readonly List<DeclareJob> _declares = [];
    private readonly List<Completion<bool>> _openWaits = [];
    private readonly Dictionary<(long Incarnation, ulong Tag), AmqpSettlement> _requested = [];
    private Completion<bool>? _closed;
    private long _closeBy;

    internal List<Attempt> Attempts { get; } = [];

    private int Sent { get; set; }

    private bool AreConsumersAtRest => _subscriptions.TrueForAll(s => s.Subscription.Ended.HasEnded
        || (s.Subscription.State == AmqpConsumerState.Live && !_stopped.Contains(s.Subscription)));

    /// <summary>A delivery was settled on the wire.</summary>
    internal void Settled(long incarnation, ulong tag, AmqpSettlement settlement)
    {
        Require(_requested.Remove((incarnation, tag), out AmqpSettlement wanted), $"nobody settled delivery {tag} of channel {incarnation}");
        Require(wanted == settlement, $"delivery {tag} of channel {incarnation} was to be settled with {wanted}, not {settlement}");
        Count("settled");
    }

    private void StartCallers()
    {
        for (int i = 0; i < Scenario.Publishers; i++)
        {
            int publisher = i;
            bool awaits = Random.Next(2) == 0;
            Sent += Scenario.Messages;
            After(Random.Next((int)Ms(50)), () => SendNext(publisher, Scenario.Messages, awaits));
        }
        for (int i = 0; i < Scenario.Consumers; i++)
            After(Random.NextInt64(Ms(1_000)), Subscribe);
        for (int i = Random.Next(4); i > 0; i--)
            After(Random.NextInt64(Ms(3_000)), Declare);
        for (int i = Random.Next(2); i > 0; i--)
            After(Random.NextInt64(Ms(500)), () =>
            {
                var wait = new Completion<bool>();
                _openWaits.Add(wait);
                Send(new ActorCommand.WaitOpen(failFast: false, wait));
            });
    }

    // As IoThread does once it has ended.
    private void Send(ActorCommand command)
    {
        if (_actor.IsClosed)
            command.Abandon(_actor);
        else
            Post(command);
    }

    private void SendNext(int publisher, int left, bool awaits)
    {
        if (left == 0)
            return;
        Attempt attempt = NewAttempt(publisher);
        Action next = () => After(Random.Next(3) == 0 ? 0 : Random.NextInt64(Ms(60)), () => SendNext(publisher, left - 1, awaits));
        _afterEnd[attempt.Id] = next;
        TakeCredit(attempt, () =>
        {
            Submit(attempt);
            if (!awaits && _afterEnd.Remove(attempt.Id))
                next();
        });
    }

    private readonly Dictionary<int, Action> _afterEnd = [];

    private Attempt NewAttempt(int publisher)
    {
        int id = Attempts.Count;
        double lot = Random.NextDouble();
        string exchange = Chance(Scenario.BadExchanges) ? (Random.Next(2) == 0 ? "secret" : "missing") : Random.Next(4) switch { 0 => "orders", 1 => "news", _ => "" };
        string key = lot < Scenario.Nacks * 0.3 ? "full"
            : lot < (Scenario.Nacks * 0.3) + Scenario.Returns ? "nowhere"
            : Chance(Scenario.Silences) ? "silent" : "somewhere";
        var message = new AmqpMessage
        {
            Exchange = exchange,
            RoutingKey = key,
            MessageId = id.ToString(CultureInfo.InvariantCulture),
            Mandatory = Random.Next(4) != 0,
            Body = new byte[Random.Next(10) == 0 ? 2_000 : Random.Next(100)],
        };
        var attempt = new Attempt
        {
            Id = id,
            Publisher = publisher,
            Message = message,
            Deadline = Now + Scenario.PublishTimeout.Ticks,
            IsUnencodable = Chance(Scenario.Unencodables),
        };
        Attempts.Add(attempt);
        _pending.Add(attempt);
        Note("attempt", id, publisher);
        return attempt;
    }

    private void TakeCredit(Attempt attempt, Action granted)
    {
        if (_credit.TryTake(attempt.Message.Body.Length))
        {
            granted();
            return;
        }
        Count("waits for credit");
        Credit.Waiter waiter = _credit.Wait(attempt.Message.Body.Length, attempt.Deadline);
        _inLine.Add((attempt, waiter, granted));
        if (Chance(Scenario.Cancels))
            After(Random.NextInt64(Ms(50)), () => waiter.Withdraw());
    }

    private long LookAfterCredit()
    {
        if (_credit.Waiting == 0 && _inLine.Count == 0)
            return ActorClock.Never;
        _credit.Expire(Now);
        foreach (var entry in _inLine.ToArray())
        {
            if (!entry.Waiter.Completion.HasEnded)
                continue;
            _inLine.Remove(entry);
            if (entry.Waiter.Completion.Task.GetAwaiter().GetResult())
                entry.Granted();
            else
                Finish(entry.Attempt, End.NotSent);
        }
        return _inLine.Count == 0 ? ActorClock.Never : Now + Ms(50);
    }

    private void Submit(Attempt attempt)
    {
        double lot = Random.NextDouble();
        OutgoingJob job;
        if (lot < Scenario.Calls && _places.TryTake(0))
        {
            AmqpReplyAddress address = Random.Next(4) switch { 0 => AmqpReplyAddress.Direct, 1 => FixedQueue, _ => AmqpReplyAddress.Exclusive };
            job = new CallJob(attempt.Message, address, $"call-{attempt.Id}", Now, attempt.Deadline, 0, _credit, _places);
        }
        else if (lot < Scenario.Calls + Scenario.Posts)
        {
            job = new PostJob(attempt.Message, Now, attempt.Deadline, _credit);
        }
        else
        {
            job = new PublishJob(attempt.Message, Now, attempt.Deadline, _credit);
        }
        attempt.Job = job;
        bool cancels = Chance(Scenario.Cancels);
        if (cancels && Random.Next(8) == 0)
            Send(new ActorCommand.Cancel(job)); // the token fired before
        Send(new ActorCommand.Send(job));
        if (cancels)
            After(Random.NextInt64(Ms(Random.Next(2) == 0 ? 3 : 300)), () => Send(new ActorCommand.Cancel(job)));
    }

    private void Subscribe()
    {
        var options = new AmqpConsumerOptions { Prefetch = Scenario.Prefetch };
        var subscription = new Subscription($"work-{_subscriptions.Count}", options, NoThread, s => new Handlers(this, s));
        _subscriptions.Add((subscription, Now + Scenario.OperationTimeout.Ticks));
        Send(new ActorCommand.Consume(subscription));
        if (Random.Next(3) == 0)
            After(Random.NextInt64(Ms(5_000)), () => Stop(subscription));
    }

    // As Subscription.StopAsync does.
    private void Stop(Subscription subscription)
    {
        if (!_stopped.Add(subscription))
            return;
        Note("stop");
        Send(new ActorCommand.StopConsuming(subscription));
        void EndWhenQuiet()
        {
            if (subscription.Quiet.HasEnded)
                After(Random.NextInt64(Ms(1_000)), () => Send(new ActorCommand.EndConsuming(subscription)));
            else
                After(Ms(1), EndWhenQuiet);
        }
        EndWhenQuiet();
    }

    private void Declare()
    {
        string[] names = [$"queue-{_declares.Count}", Random.Next(3) == 0 ? "refused" : "work-0", "last"];
        var job = new DeclareJob([.. names.Take(Random.Next(1, 4)).Select(name => new TopologyItem.Queue(new AmqpQueue { Name = name }))], Now + Scenario.OperationTimeout.Ticks);
        _declares.Add(job);
        Send(new ActorCommand.Declare(job));
    }

    private void BeginClose(long within)
    {
        if (_closed is not null)
            return;
        Note("close");
        Count("disposals");
        _closed = new Completion<bool>();
        _closeBy = Now + within;
        _credit.Close();
        Send(new ActorCommand.Close(_closeBy, _closed));
    }

    // One publish and one call, with nothing in their way.
    private void ProveItWorks()
    {
        var message = new AmqpMessage { MessageId = Attempts.Count.ToString(CultureInfo.InvariantCulture), RoutingKey = "somewhere" };
        var publish = new Attempt { Id = Attempts.Count, Publisher = -1, Message = message, Deadline = Now + Ms(20_000) };
        publish.Job = new PublishJob(message, Now, publish.Deadline, _credit);
        Attempts.Add(publish);
        message = message with { MessageId = Attempts.Count.ToString(CultureInfo.InvariantCulture) };
        var call = new Attempt { Id = Attempts.Count, Publisher = -2, Message = message, Deadline = Now + Ms(20_000) };
        call.Job = new CallJob(message, AmqpReplyAddress.Exclusive, "proof", Now, call.Deadline, 0, _credit, _places);
        Attempts.Add(call);
        Require(_credit.TryTake(0) && _credit.TryTake(0) && _places.TryTake(0), $"the credit is not back: {_credit.Messages} messages, {_credit.Bytes} bytes");
        _pending.AddRange([publish, call]);
        Sent += 2;
        Post(new ActorCommand.Send(publish.Job));
        Post(new ActorCommand.Send(call.Job));
        RunUntil(() => _pending.Count == 0, Now + Ms(20_300));
        Require(publish.End == End.Confirmed && call.End is End.Replied or End.RemoteFault, $"after all faults a publish ends {publish.End} and a call {call.End}: {call.Error?.Message}");
    }

    private bool Chance(double probability) => !_broker.IsHealed && probability > 0 && Random.NextDouble() < probability;

    /// <summary>Handlers that settle after a while: sometimes so late that the delivery is lost.</summary>
    private sealed class Handlers(Simulation simulation, Subscription subscription) : IDeliveryPump
    {
        public void Post(AmqpDelivery delivery)
        {
            Require(!subscription.Quiet.HasEnded, "a delivery came after the consumer was said to be quiet");
            Require(!delivery.Lost.IsCancellationRequested, "a delivery came that was lost already");
            AmqpSettlement settlement = simulation.Random.Next(5) switch { 0 => AmqpSettlement.Requeue, 1 => AmqpSettlement.Reject, _ => AmqpSettlement.Ack };
            long time = simulation.Random.Next(10) == 0 ? Ms(simulation.Random.Next(5_000)) : Ms(simulation.Random.Next(30));
            simulation.After(time, () =>
            {
                if (delivery.Lost.IsCancellationRequested && simulation.Random.Next(2) == 0)
                    return; // the handler saw its token; the other half is as quick as the loss
                simulation._requested[(delivery.Incarnation, delivery.DeliveryTag)] = settlement;
                simulation.Send(new ActorCommand.Settle(subscription, delivery, settlement));
            });
        }

        public Task StopAsync(TimeSpan timeout, TimeProvider time) => Task.CompletedTask;
    }
}
