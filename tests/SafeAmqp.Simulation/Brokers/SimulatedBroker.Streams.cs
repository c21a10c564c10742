using SafeAmqp.Actor;
using SafeAmqp.Simulation.Runs;
using static SafeAmqp.Simulation.Checking.ViolationException;

namespace SafeAmqp.Simulation.Brokers;

// Streams: logs without an end, read from an offset on.
internal sealed partial class SimulatedBroker
{
    private static void BeginToRead(SimulatedChannel channel, ConsumeRequest request, SimulatedReader reader)
    {
        object? offset = request.Arguments?.GetValueOrDefault("x-stream-offset");
        Require(offset is long or "first", $"stream '{request.Queue}' is read from '{offset}', not as asked for");
        channel.Reader = reader;
        channel.NextOffset = offset as long? ?? 0;
        reader.Begins(channel.Incarnation);
    }

    private static AmqpMessage NextOfStream(SimulatedChannel channel) => new()
    {
        Headers = new Dictionary<string, object?> { ["x-stream-offset"] = channel.NextOffset++ },
    };
}
