using SafeAmqp.Chaos.Load;

namespace SafeAmqp.Chaos.Running;

/// <summary>
/// What takes part: five clients of different make, nine lanes, four consumers, a server and three callers.
/// </summary>
internal sealed class Cast
{
    private int _calls;

    internal Cast(Arena arena, Witnesses witnesses, LagProbe lag, ChaosOptions options)
    {
        Receiver = new Receiver(witnesses, Lanes, options.Seed);
        // What fails goes back, so that whatever comes again says so; what is held here would not.
        var rough = new AmqpConsumerOptions
        {
            Prefetch = 40,
            Concurrency = 4,
            OnFailure = AmqpFailurePolicy.Requeue,
        };
        // Both layouts, both policies for what is in flight, a different first node each.
        Anna = new Party("anna", () => arena.Options(0), witnesses, async client =>
        {
            await client.DeclareAsync(Topology);
            await client.ConsumeAsync(Arena.Ordered, Receiver.InOrder);
            await client.ConsumeAsync(Arena.Doomed, Receiver.InOrder);
        });
        Ben = new Party("ben", () => With(arena.Options(1), made => made.Layout = AmqpConnectionLayout.Shared),
            witnesses, async client =>
        {
            await client.DeclareAsync(Topology);
            await client.ConsumeAsync(Arena.Rough, Receiver.Roughly, rough);
            await client.ServeAsync(Arena.Requests, Caller.AnswerAsync);
        });
        Cleo = new Party("cleo", () => With(arena.Options(2), made => made.InFlight = AmqpInFlightPolicy.Republish),
            witnesses, async client =>
        {
            await client.DeclareAsync(Topology);
            await client.ConsumeAsync(Arena.Classic, Receiver.InOrder);
        });
        Dora = new Party("dora", () => arena.Options(1), witnesses, async client =>
            await client.ConsumeAsync(Arena.Rough, Receiver.Roughly, rough));
        Tom = new Party("tom", () => With(arena.Options(0), made =>
        {
            (made.UserName, made.Password) = (null, null);
            made.Credentials = _ => ValueTask.FromResult(new AmqpCredentials(Arena.Tenant, arena.TenantPassword));
        }), witnesses, async client =>
        {
            await client.DeclareAsync(
                new AmqpTopology().With(new AmqpQueue { Name = Arena.TenantQueue, Type = AmqpQueueType.Quorum }));
            await client.ConsumeAsync(Arena.TenantQueue, Receiver.InOrder);
        });
        Route[] routes =
        [
            new(Anna, Arena.Exchange, "ordered", new Lane()),
            new(Anna, "", Arena.Classic, new Lane { NackedMayArrive = true }),
            new(Ben, "", Arena.Ordered, new Lane()),
            new(Ben, "", Arena.Rough, new Lane { Ordered = false }),
            new(Cleo, "", Arena.Classic, new Lane { MayRepeat = true, NackedMayArrive = true }),
            new(Cleo, "", Arena.Rough, new Lane { MayRepeat = true, Ordered = false }),
            new(Dora, "", Arena.Rough, new Lane { Ordered = false }),
            new(Tom, "", Arena.TenantQueue, new Lane()),
            new(Anna, "", Arena.Doomed, new Lane { MayLose = true, Ordered = false }),
        ];
        Publishers = [
            .. routes.Select((route, lane) => new Publisher(lane, route, witnesses, lag, options.Seed, options.Rate))];
        Callers =
        [
            new Caller(Cleo, Arena.Requests, AmqpReplyAddress.Exclusive, witnesses, NextCall, options.Rate / 2),
            new Caller(Dora, Arena.Requests, AmqpReplyAddress.Direct, witnesses, NextCall, options.Rate / 4),
            new Caller(
                Anna, Arena.Requests, AmqpReplyAddress.Queue(Arena.Replies), witnesses, NextCall, options.Rate / 4),
        ];
    }

    private const int Lanes = 9;

    internal Party Anna { get; }

    internal Party Ben { get; }

    internal Party Cleo { get; }

    /// <summary>The one that is disposed under load and made anew.</summary>
    internal Party Dora { get; }

    internal Party Tom { get; }

    internal IReadOnlyList<Party> All => [Anna, Ben, Cleo, Dora, Tom];

    internal IReadOnlyList<Publisher> Publishers { get; }

    internal IReadOnlyList<Caller> Callers { get; }

    internal Receiver Receiver { get; }

    internal int Connections => All.Sum(party => party.Client.Status.Links.Count);

    internal static AmqpTopology Topology { get; } = new AmqpTopology()
        .Exchange(Arena.Exchange, AmqpExchangeType.Direct)
        .With(new AmqpQueue { Name = Arena.Ordered, Type = AmqpQueueType.Quorum })
        .With(new AmqpQueue { Name = Arena.Rough, Type = AmqpQueueType.Quorum })
        .With(new AmqpQueue { Name = Arena.Requests, Type = AmqpQueueType.Quorum })
        .With(new AmqpQueue { Name = Arena.Replies, Type = AmqpQueueType.Quorum })
        .With(new AmqpQueue { Name = Arena.Doomed, Type = AmqpQueueType.Quorum })
        .Queue(Arena.Classic)
        .Bind(Arena.Exchange, "ordered").ToQueue(Arena.Ordered);

    private int NextCall() => Interlocked.Increment(ref _calls);

    private static AmqpClientOptions With(AmqpClientOptions options, Action<AmqpClientOptions> change)
    {
        change(options);
        return options;
    }
}
