using SafeAmqp.Actor;
using SafeAmqp.Consuming;
using SafeAmqp.Simulation.Runs;

namespace SafeAmqp.Simulation.Brokers;

// What the actor knows at each moment, as told by the signals that it has handled: rules hold against that, not against
// the broker's truth.
internal sealed partial class SimulatedBroker
{
    private readonly Dictionary<(bool Direct, string Exchange, string Key), (int Count, long Since)> _nackRuns = [];
    private readonly Dictionary<bool, long> _lastStorm = [];
    private long _refusedAt = long.MinValue / 2;
    private long _abandonedAt;
    private bool _wasRefused;

    /// <summary>The actor is about to handle a message.</summary>
    internal void Heard(IActorMessage message)
    {
        switch (message)
        {
            case BrokerSignal.OfChannel signal when _channels.TryGetValue(
                signal.Incarnation, out SimulatedChannel? channel)
                    && channel is { ClientClosed: false, HeardClosed: false, Connection.IsAbandoned: false }:
                Heard(channel, signal);
                break;
            case BrokerSignal.Connected connected when IsCurrent(connected.Epoch):
                Current!.HeardConnected = true;
                _wasRefused = false;
                break;
            case BrokerSignal.ConnectFailed failed when IsCurrent(failed.Epoch) && !Current!.HeardConnected:
                HearLoss(failed.Refused);
                break;
            case BrokerSignal.LinkLost lost when IsCurrent(lost.Epoch) && Current!.HeardConnected:
                HearLoss(lost.End.Code is 403 or 530 && world.State == AmqpLinkState.Preparing);
                if (lost.End is { ByBroker: true, Code: 501 or 502 or 505 or 541 })
                    Current.Channels.FindAll(channel => !channel.HeardClosed).ForEach(Suspect);
                break;
            case ConsumerCommand.Settle { Settlement: not AmqpSettlement.Requeue } settle
                when settle.Delivery.StreamOffset is { } offset:
                world.ReaderOf(settle.Subscription.Queue)?.Settled(settle.Delivery.Incarnation, offset);
                break;
            case BrokerSignal.Blocked blocked when IsCurrent(blocked.Epoch):
                Current!.HeardBlocked = true;
                break;
            case BrokerSignal.Unblocked unblocked when IsCurrent(unblocked.Epoch):
                Current!.HeardBlocked = false;
                Current.HeardUnblockedAt = world.Now;
                break;
        }
    }

    private bool IsCurrent(int epoch) => Current is { IsAbandoned: false } connection && connection.Epoch == epoch;

    private void HearLoss(bool refused)
    {
        _wasRefused = refused;
        if (refused)
            _refusedAt = world.Now;
    }

    private void Heard(SimulatedChannel channel, BrokerSignal.OfChannel signal)
    {
        if (signal is not BrokerSignal.Readied)
            channel.Connection.OpenAskedAt = null;
        if (signal is BrokerSignal.Acked or BrokerSignal.Nacked or BrokerSignal.Returned or BrokerSignal.Delivered
            or BrokerSignal.Answered)
            channel.HeardAt = world.Now;
        if (channel.Serves)
        {
            HeardServing(channel.Serving, signal);
            channel.HeardClosed |= signal is BrokerSignal.ChannelClosed;
            channel.HeardReady |= signal is BrokerSignal.ConsumerStarted;
            return;
        }
        switch (signal)
        {
            case BrokerSignal.ChannelOpened:
                channel.HeardReady = true;
                break;
            case BrokerSignal.ChannelClosed closed:
                channel.HeardClosed = true;
                if (channel.Declaring is { } unanswered)
                    channel.Connection.Declared.Add(unanswered);
                if (closed.End.Code is not (403 or 404))
                    Suspect(channel);
                if (closed.End.Code == 404 && channel.Reader is { } reader)
                {
                    world.Count("streams that were gone");
                    reader.StreamIsGone();
                }
                if (closed.End.Code == 403)
                    channel.Connection.HeardForbiddenAt = world.Now;
                break;
            case BrokerSignal.Answered when channel.Declaring is { } answered:
                channel.Connection.Declared.Add(answered);
                channel.Declaring = null;
                channel.AskedAt = null;
                break;
            case BrokerSignal.ConsumerStarted:
                channel.HeardReady = true;
                break;
            case BrokerSignal.Acked ack:
                foreach (Sending sending in Take(channel, ack.Sequence, ack.Multiple))
                    _nackRuns.Remove((channel.IsDirect, sending.Message.Exchange, sending.Message.RoutingKey));
                break;
            case BrokerSignal.Nacked nack:
                CountNacks(channel, Take(channel, nack.Sequence, nack.Multiple));
                break;
        }
    }

    // What was in flight may be why, also on a channel that was given up; what was alone when it may have been before
    // is.
    private static void Suspect(SimulatedChannel channel)
    {
        if (!channel.ClientClosed && channel.Outstanding is [var only] && only.Sending.Attempt.IsSuspect)
            only.Sending.Attempt.IsBlamed = true;
        channel.Outstanding.ForEach(entry => entry.Sending.Attempt.IsSuspect = true);
    }

    private static List<Sending> Take(SimulatedChannel channel, ulong sequence, bool multiple)
    {
        var taken = new List<Sending>();
        if (sequence > channel.Published || sequence == 0)
        {
            channel.HeardBad = true;
            return taken;
        }
        channel.Outstanding.RemoveAll(entry =>
        {
            if (entry.Sequence != sequence && !(multiple && entry.Sequence < sequence))
                return false;
            entry.Sending.IsAnswered = true;
            channel.OutstandingBytes -= entry.Sending.Message.Body.Length;
            taken.Add(entry.Sending);
            return true;
        });
        return taken;
    }

    // A storm: ten nacks without an ack between for one exchange and key, over 250 ms, at most once in 10 s.
    private void CountNacks(SimulatedChannel channel, List<Sending> nacked)
    {
        bool storm = false;
        foreach (Sending sending in nacked)
        {
            var address = (channel.IsDirect, sending.Message.Exchange, sending.Message.RoutingKey);
            var (count, since) = _nackRuns.GetValueOrDefault(address, (0, world.Now));
            _nackRuns[address] = (count + 1, since);
            storm |= count + 1 >= 10 && world.Now - since >= TimeSpan.FromMilliseconds(250).Ticks;
        }
        if (!storm || world.Now - _lastStorm.GetValueOrDefault(channel.IsDirect, long.MinValue / 2)
            < TimeSpan.FromSeconds(10).Ticks)
            return;
        world.Count("storms of nacks");
        _lastStorm[channel.IsDirect] = world.Now;
        foreach (var address in _nackRuns.Keys.Where(address => address.Direct == channel.IsDirect).ToList())
            _nackRuns.Remove(address);
        channel.IsInStorm = true;
    }
}
