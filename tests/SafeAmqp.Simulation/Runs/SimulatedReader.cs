using static SafeAmqp.Simulation.Checking.ViolationException;

namespace SafeAmqp.Simulation.Runs;

/// <summary>What was promised to the reader of a stream: each message in its order, and on a new channel from the first
/// that was not settled.</summary>
internal sealed class SimulatedReader(World world, string stream)
{
    private readonly HashSet<long> _settled = []; // behind the first that was not
    private long _channel, _next;
    private long? _last;

    /// <summary>A channel asks for the stream: what is settled from now on was delivered on it.</summary>
    internal void Begins(long channel) => (_channel, _last) = (channel, null);

    /// <summary>A message came.</summary>
    internal void Delivered(long channel, long? offset)
    {
        Require(offset is not null, $"a message of stream '{stream}' has no offset");
        Require(channel == _channel, $"offset {offset} of stream '{stream}' came on a channel that is gone");
        world.Count("read from streams");
        if (_last is { } last)
        {
            Require(offset == last + 1, $"offset {offset} of stream '{stream}' came behind {last}");
        }
        else
        {
            Require(offset >= _next, $"offset {offset} of stream '{stream}' comes again, and all up to {_next} were "
                + $"settled");
            Require(offset <= _next, $"offset {offset} of stream '{stream}' comes, and {_next} was never settled");
            _settled.Clear(); // they come again, too
            if (offset > 0)
                world.Count("streams read on from the first that was not settled");
        }
        _last = offset;
    }

    /// <summary>The actor is told that a message is settled.</summary>
    internal void Settled(long channel, long offset)
    {
        if (channel != _channel || offset < _next)
            return;
        _settled.Add(offset);
        while (_settled.Remove(_next))
            _next++;
    }

    /// <summary>The actor learns that there is no such stream: a new one has nothing that was read.</summary>
    internal void StreamIsGone()
    {
        _settled.Clear();
        (_channel, _next) = (0, 0);
    }
}
