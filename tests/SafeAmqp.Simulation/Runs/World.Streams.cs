using SafeAmqp.Consuming;
using static SafeAmqp.Simulation.Checking.ViolationException;

namespace SafeAmqp.Simulation.Runs;

// The readers of streams.
internal sealed partial class World
{
    private readonly Dictionary<string, SimulatedReader> _readers = [];

    internal SimulatedReader? ReaderOf(string queue) => _readers.GetValueOrDefault(queue);

    private void StartReaders()
    {
        if (Scenario[Fault.Streams] == 0)
            return;
        for (int i = _reading.Next(1, 3); i > 0; i--)
            After(_reading.NextInt64(Ms(1_000)), Read);
    }

    private void Read()
    {
        string stream = $"stream-{_readers.Count}";
        var reader = new SimulatedReader(this, stream);
        _readers.Add(stream, reader);
        var subscription = new Subscription(
            stream,
            new AmqpConsumerOptions { Prefetch = Scenario.Prefetch, StreamOffset = AmqpStreamOffset.First },
            NoThread, s => new Readings(this, s, reader));
        _subscriptions.Add((subscription, Now + Scenario.OperationTimeout.Ticks));
        Send(new ConsumerCommand.Consume(subscription));
        if (_reading.Next(3) == 0)
            After(_reading.NextInt64(Ms(5_000)), () => Stop(subscription));
    }

    /// <summary>Handlers that settle after a while, in any order; what one gives back is handled again here.</summary>
    private sealed class Readings(World world, Subscription subscription, SimulatedReader reader) : IDeliveryPump
    {
        public void Post(AmqpDelivery delivery)
        {
            Require(!subscription.Quiet.HasEnded, "a delivery came after the consumer was said to be quiet");
            reader.Delivered(delivery.Incarnation, delivery.StreamOffset);
            HandleLater(delivery);
        }

        public Task StopAsync(TimeSpan timeout, TimeProvider time) => Task.CompletedTask;

        private void HandleLater(AmqpDelivery delivery)
            => world.After(Ms(world._reading.Next(world._reading.Next(10) == 0 ? 5_000 : 30)), () => Handle(delivery));

        private void Handle(AmqpDelivery delivery)
        {
            Dice dice = world._reading;
            if (delivery.Lost.IsCancellationRequested && dice.Next(2) == 0)
                return; // the handler saw its token; the other half is as quick as the loss
            AmqpSettlement settlement = dice.Next(5) switch
            {
                0 => AmqpSettlement.Requeue,
                1 => AmqpSettlement.Reject,
                _ => AmqpSettlement.Ack
            };
            if (settlement == AmqpSettlement.Requeue)
                HandleLater(delivery);
            else // whatever it is, a stream is told that it may go on
                world._requested[(delivery.Incarnation, delivery.DeliveryTag)] = AmqpSettlement.Ack;
            world.Send(new ConsumerCommand.Settle(subscription, delivery, settlement));
        }
    }
}
