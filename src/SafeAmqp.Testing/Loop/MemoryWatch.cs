using SafeAmqp.Testing.Channels;
using SafeAmqp.Testing.Connections;
using SafeAmqp.Testing.Queues;
using SafeAmqp.Testing.Routing;

namespace SafeAmqp.Testing.Loop;

/// <summary>
/// Keeps publishers from filling the process: raises the alarm above the limit, as RabbitMQ's high watermark does, and
/// takes its own alarm back. Everything is counted anew each time, which costs little because it is done seldom and
/// cannot drift.
/// </summary>
internal sealed class MemoryWatch(BrokerState broker)
{
    /// <summary>What a message costs in each of its queues, beside its octets.</summary>
    private const int Overhead = 256;

    /// <summary>While the alarm is on, consumers may be making room.</summary>
    private const int RecheckMilliseconds = 50;

    private readonly long _limit = broker.Options.MemoryLimit;
    private readonly long _step = Math.Max(1, Math.Min(16 * 1024 * 1024, broker.Options.MemoryLimit / 8));
    private long _uncounted;

    /// <summary>The alarm is this watch's, not a script's.</summary>
    private bool _isOurs;

    /// <summary>So many octets of content have arrived.</summary>
    public void Arrived(int bytes) => Count(bytes);

    /// <summary>A message was put into so many queues.</summary>
    public void Routed(int queues) => Count((long)Overhead * queues);

    private void Count(long bytes)
    {
        _uncounted += bytes;
        if (_uncounted < _step)
            return;
        _uncounted = 0;
        if (broker.Alarm is not null || InQueues() + UnderWay() <= _limit)
            return;
        _isOurs = true;
        broker.SetAlarm("low on memory");
        broker.Loop.Timers.After(RecheckMilliseconds, Recheck);
    }

    private void Recheck()
    {
        if (!_isOurs)
            return;
        // A body that has not arrived completely cannot be taken away: it has to go on.
        if (InQueues() > _limit)
        {
            broker.Loop.Timers.After(RecheckMilliseconds, Recheck);
            return;
        }
        _isOurs = false;
        broker.SetAlarm(null);
    }

    private long InQueues()
    {
        long held = 0;
        foreach (VirtualHost host in broker.VirtualHosts.Values)
            foreach (BrokerQueue queue in host.Queues.Values)
                held += queue.HeldBytes + (long)Overhead * (queue.ReadyCount + queue.Unacked.Count);
        return held;
    }

    private long UnderWay() =>
        broker.Connections.Sum(connection => connection.Channels.Sum(channel => (long)channel.IncompleteBytes));
}
