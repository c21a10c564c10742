using System.Globalization;
using SafeAmqp.Actor;
using SafeAmqp.Consuming;
using SafeAmqp.Rpc;
using SafeAmqp.Simulation.Brokers;
using static SafeAmqp.Simulation.Checking.ViolationException;

namespace SafeAmqp.Simulation.Runs;

// Servers of requests, and their callers.
internal sealed partial class World
{
    private static readonly TimeSpan ServerStopTimeout = TimeSpan.FromSeconds(2);

    private readonly List<SimulatedRequest> _requests = [];
    private bool _allEndWithCaller;
    private readonly Dictionary<Subscription, long> _ends = []; // those that are to end, and until when

    /// <summary>Whether a server of a queue must have been given the time to see its replies worked off.</summary>
    internal bool MustSeeRepliesWorkedOff
        => _closed is null && _ends.Count > 0 && _ends.All(end => Now < end.Value && !end.Key.Ended.HasEnded)
            && _subscriptions.TrueForAll(s => s.Subscription.Serves is null || _ends.ContainsKey(s.Subscription));

    private bool IsServed => _subscriptions.Exists(s => s.Subscription is { Serves: not null } server
        && server.State == AmqpConsumerState.Live && !_stopped.Contains(server));

    private void StartServers()
    {
        if (Scenario[Fault.Serving] == 0)
            return;
        _allEndWithCaller = _dice.Next(2) == 0;
        for (int i = _dice.Next(1, 3); i > 0; i--)
            After(_dice.NextInt64(Ms(500)), Serve);
        for (int i = _dice.Next(5, 40); i > 0; i--)
            After(_dice.NextInt64(Scenario.Trouble), Ask);
    }

    private void Ask()
    {
        var request = new SimulatedRequest(
            _requests.Count,
            _allEndWithCaller ? _dice.Pick("amq.gen-caller", "amq.rabbitmq.reply-to.caller")
                : _dice.Pick("amq.gen-caller", "amq.rabbitmq.reply-to.caller", "lasting", "lasting", "full", "nowhere"),
            isBad: _dice.Chance(Scenario[Fault.BadReplies] * 0.2));
        _requests.Add(request);
        Count("requests");
        _broker.Ask(request);
    }

    private void Serve()
    {
        var server = new SimulatedServer(this);
        var subscription = new Subscription(
            SimulatedBroker.ServedQueue,
            new AmqpConsumerOptions { Prefetch = Scenario.Prefetch, StopTimeout = ServerStopTimeout },
            NoThread, s => new Requests(this, s, server))
        {
            Serves = server.NewChannel,
            TakesUnreadable = true,
        };
        server.Subscription = subscription;
        _subscriptions.Add((subscription, Now + Scenario.OperationTimeout.Ticks));
        Send(new ConsumerCommand.Consume(subscription));
        if (_dice.Next(3) == 0)
            After(_dice.NextInt64(Ms(5_000)), () => Stop(subscription));
    }

    private void ProveServersWork()
    {
        if (!IsServed)
            return;
        Ask();
        RunUntil(() => _requests.TrueForAll(request => request.IsAcked) || !IsServed, Now + Ms(20_000));
        if (!IsServed)
            return;
        foreach (SimulatedRequest request in _requests)
        {
            Require(request.IsAcked, $"request {request.Id} to '{request.ReplyTo}' is never acknowledged");
            Require(
                request.Replies > 0 || request.Faults > 0,
                $"request {request.Id} to '{request.ReplyTo}' is acknowledged and was never answered");
        }
    }

    /// <summary>Handlers that answer after a while.</summary>
    private sealed class Requests(World world, Subscription subscription, SimulatedServer server) : IDeliveryPump
    {
        public void Post(AmqpDelivery delivery)
        {
            Require(!subscription.Quiet.HasEnded, "a request came after the server was said to be quiet");
            world.After(Ms(world._dice.Next(10) == 0 ? world._dice.Next(2_000) : world._dice.Next(20)),
                () => Answer(delivery));
        }

        public Task StopAsync(TimeSpan timeout, TimeProvider time) => Task.CompletedTask;

        private void Answer(AmqpDelivery delivery)
        {
            SimulatedRequest request = world._requests[
                int.Parse(delivery.Message.CorrelationId!, CultureInfo.InvariantCulture)];
            if (world._dice.Next(25) == 0 && !world._broker.IsHealed)
            {
                world.Send(new ConsumerCommand.Settle(subscription, delivery, AmqpSettlement.Requeue));
            }
            else if (delivery.IsRedelivered && server.Remembered.Remove(request.Id))
            {
                world.Count("faults for refused replies");
                server.TellFault(request, delivery);
            }
            else if (world._credit.TryTake(0))
            {
                var reply = new ReplyJob(server, delivery, new AmqpMessage
                {
                    RoutingKey = request.ReplyTo,
                    CorrelationId = delivery.Message.CorrelationId,
                    MessageId = delivery.DeliveryTag.ToString(CultureInfo.InvariantCulture),
                    Mandatory = !request.ReplyTo.StartsWith("amq.rabbitmq.", StringComparison.Ordinal),
                }, world.Now, world.Now + world.Scenario.PublishTimeout.Ticks, world._credit)
                {
                    OutlivesCaller = request.OutlivesCaller,
                };
                delivery.Reply = reply;
                world._broker.Given(delivery.Incarnation, reply);
                world.Send(new ConsumerCommand.Settle(subscription, delivery, AmqpSettlement.Ack));
            }
            else if (world._closed is null)
            {
                world.After(Ms(5), () => Answer(delivery)); // waits for credit
            }
        }
    }

    /// <summary>As the library's own, without its threads.</summary>
    private sealed class SimulatedServer(World world) : RequestServer
    {
        internal Subscription Subscription { get; set; } = null!;

        internal HashSet<int> Remembered { get; } = [];

        internal override void Remember(AmqpDelivery request, Exception refusal)
        {
            SimulatedRequest culprit = Of(request);
            Require(
                culprit.IsBad || world.Scenario[Fault.ChannelErrors] > 0 || world.Scenario[Fault.OpenFailures] > 0,
                $"request {culprit.Id} is blamed for another's reply");
            Remembered.Add(culprit.Id);
        }

        internal override void TellOfLostReply(string queue, Exception error)
            => world.Count("replies that were lost and told");

        internal override void Ended(ReplyJob reply, Exception? error)
        {
            if (error is null || reply.IsLost)
                return;
            world.Count("replies that failed");
            world.After(Ms(world._dice.Next(20)), () => TellFault(Of(reply.Request), reply.Request));
        }

        internal void TellFault(SimulatedRequest request, AmqpDelivery delivery)
        {
            request.Faults++;
            request.HasFailed = true;
            world.Send(new ConsumerCommand.Settle(Subscription, delivery, AmqpSettlement.Ack));
        }

        private SimulatedRequest Of(AmqpDelivery request)
            => world._requests[int.Parse(request.Message.CorrelationId!, CultureInfo.InvariantCulture)];
    }
}
