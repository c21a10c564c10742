using System.Diagnostics;
using LocalBroker;
using RabbitMQ.Client;
using SafeAmqp.Chaos.Running;

namespace SafeAmqp.Chaos.SideBySide;

/// <summary>
/// F4: the node that leads a quorum queue is killed; the publisher sits on another and opens its channel while the
/// queue still names the dead leader.
/// </summary>
internal static class LostLeader
{
    private const string Queue = "side.quorum";
    private static readonly TimeSpan Watched = TimeSpan.FromSeconds(11);

    internal static Comparison On(Arena arena) => new(
        "F4",
        "the leader of a quorum queue is killed, one publish every 100 ms for 11 s from another node",
        () => RawAsync(arena),
        () => SafeAsync(arena));

    internal static async Task DeclareAsync(Arena arena)
    {
        await using AmqpClient amqp = await AmqpClient.ConnectAsync(arena.Options(0));
        await amqp.DeclareAsync(new AmqpTopology().With(new AmqpQueue { Name = Queue, Type = AmqpQueueType.Quorum }));
    }

    private static async Task<Column> RawAsync(Arena arena)
    {
        (PrivateRabbitMqNode leader, PrivateRabbitMqNode other) = await NodesAsync(arena);
        ConnectionFactory factory = Bench.Factory(other.Port);
        (factory.UserName, factory.Password) = (Arena.User, arena.UserPassword);
        await using IConnection connection = await factory.CreateConnectionAsync();
        await leader.KillAsync();
        IChannel channel = await connection.CreateChannelAsync(Bench.Confirming);
        Column column = await WatchAsync(async () =>
        {
            try
            {
                await channel.BasicPublishAsync("", Queue, mandatory: true, Bodies.Make(0, 0, 16)).AsTask()
                    .WaitAsync(TimeSpan.FromSeconds(3));
                return true;
            }
            catch (Exception)
            {
                return false;
            }
        });
        await leader.StartAgainAsync();
        await arena.MendAsync();
        return column;
    }

    private static async Task<Column> SafeAsync(Arena arena)
    {
        (PrivateRabbitMqNode leader, PrivateRabbitMqNode other) = await NodesAsync(arena);
        AmqpClientOptions options = arena.Options(0);
        (options.Uri, options.Hosts, options.PublishTimeout) =
            ($"amqp://127.0.0.1:{other.Port}/", [], TimeSpan.FromSeconds(3));
        await using AmqpClient amqp = new(options);
        await leader.KillAsync();
        Column column = await WatchAsync(async () =>
        {
            try
            {
                await amqp.PublishAsync(AmqpMessage.ToQueue(Queue, Bodies.Make(0, 0, 16)));
                return true;
            }
            catch (AmqpException)
            {
                return false;
            }
        });
        await leader.StartAgainAsync();
        await arena.MendAsync();
        return column;
    }

    private static async Task<(PrivateRabbitMqNode Leader, PrivateRabbitMqNode Other)> NodesAsync(Arena arena)
    {
        PrivateRabbitMqNode leader = await arena.LeaderAsync(Queue)
            ?? throw new InvalidOperationException("The queue has no leader.");
        return (leader, arena.Nodes.First(node => node != leader));
    }

    private static async Task<Column> WatchAsync(Func<Task<bool>> publishAsync)
    {
        long start = Stopwatch.GetTimestamp();
        int confirmed = 0, refused = 0;
        double first = 0;
        while (Stopwatch.GetElapsedTime(start) < Watched)
        {
            if (!await publishAsync())
                refused++;
            else if (confirmed++ == 0)
                first = Stopwatch.GetElapsedTime(start).TotalSeconds;
            await Task.Delay(100);
        }
        return new Column(
            confirmed == 0
                ? $"{refused} of {refused} refused for all of {Watched.TotalSeconds:0} s"
                : $"{refused} refused, the first confirmed after {first:0.0} s, {confirmed} in all",
            confirmed > 0);
    }
}
