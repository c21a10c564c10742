using SafeAmqp.Benchmarks.Contenders;
using SafeAmqp.Benchmarks.Measuring;

namespace SafeAmqp.Benchmarks;

/// <summary>Everything that is measured, with what is to be reached.</summary>
internal static class Comparisons
{
    /// <summary>Callers of one client; throughput is not to fall as they rise.</summary>
    private static readonly int[] Growth = [10_000, 1000, 100, 10, 1];

    private static readonly Func<Contender> Ours = () => new SafeAmqpPublish();
    private static readonly Func<Contender> Shared = () => new RabbitMqClientPublish(channelPerCaller: false);
    private static readonly Func<Contender> PerCaller = () => new RabbitMqClientPublish(channelPerCaller: true);

    private static readonly Func<Contender> Called = () => new SafeAmqpCalls("SafeAmqp", Server.ByHand, isApart: true);
    private static readonly Func<Contender> ByHand = () => new RabbitMqClientCalls(RabbitMqClientCalls.Title,
        isApart: true);

    /// <param name="clients">How many clients share a process in the last comparison, beside one.</param>
    internal static IReadOnlyList<Comparison> All(params IReadOnlyList<int> clients) =>
    [
        new("publish-1", "A confirmed publish, one caller", new Workload(1), [Ours, Shared],
            [new("one caller alone (latency)", RabbitMqClientPublish.Shared, Figure.Throughput, 1.0)]),
        new("publish-100", "Confirmed publishes, 100 callers", new Workload(100),
            [Ours, Shared, PerCaller, () => new MassTransitPublish(), () => new WolverinePublish()],
        [
            new("256 B, 100 callers", RabbitMqClientPublish.Shared, Figure.Throughput, 2.0),
            new("256 B, 100 callers", RabbitMqClientPublish.PerCaller, Figure.Throughput, 3.0),
            new("256 B, 100 callers", MassTransitPublish.Title, Figure.Throughput, 4.5),
            new("256 B, 100 callers", WolverinePublish.Title, Figure.Throughput, 2.0),
            new("CPU per publish, 100 callers", RabbitMqClientPublish.Shared, Figure.Cpu, 0.5),
            new("allocated bytes per publish, 100 callers", null, Figure.Allocation, 350),
        ]),
        new("publish-1000", "Confirmed publishes, 1,000 callers", new Workload(1000), [Ours, Shared],
            [new("256 B, 1,000 callers", RabbitMqClientPublish.Shared, Figure.Throughput, 1.5)]),
        new("publish-10000", "Confirmed publishes, 10,000 callers", new Workload(10_000),
            [Ours, Shared, () => new BareSocketPublish()],
            [new("256 B, 10,000 callers", BareSocketPublish.Title, Figure.Throughput, 0.8)]),
        new("publish-routed", "Mandatory, persistent, to a durable queue, 100 callers",
            new Workload(100, Routed: true),
            [Ours, Shared, PerCaller, () => new MassTransitPublish()],
        [
            new("mandatory, persistent, to a durable queue, 100 callers", RabbitMqClientPublish.Shared,
                Figure.Throughput, 1.0),
            new("mandatory, persistent, to a durable queue, 100 callers", RabbitMqClientPublish.PerCaller,
                Figure.Throughput, 1.0),
            new("mandatory, persistent, to a durable queue, 100 callers", MassTransitPublish.Title,
                Figure.Throughput, 1.0),
        ]),
        new("publish-16k", "Confirmed publishes of 16 KiB, 100 callers", new Workload(100, BodySize: 16 << 10),
            [Ours, Shared],
            [new("16 KiB, 100 callers", RabbitMqClientPublish.Shared, Figure.Throughput, 1.0)]),
        new("publish-1m", "Confirmed publishes of 1 MiB, 10 callers", new Workload(10, BodySize: 1 << 20),
            [Ours, Shared],
            [new("1 MiB, 10 callers", RabbitMqClientPublish.Shared, Figure.Throughput, 1.0)]),
        new("call-1", "A call, one caller, the other end by hand", new Workload(1),
            [Called, ByHand],
            [new("call and reply, one caller (latency)", RabbitMqClientCalls.Title, Figure.Throughput, 0.95)]),
        new("call-100", "Calls, 100 callers, the other end by hand", new Workload(100),
            [Called, ByHand],
            [new("call and reply, 100 callers", RabbitMqClientCalls.Title, Figure.Throughput, 1.6)]),
        new("served-1", "A call, one caller, both ends alike", new Workload(1), [.. BothEnds(isApart: false).Take(3)],
            [new("call and reply, both ends, one caller", RabbitMqClientCalls.Direct, Figure.Throughput, 0.9)]),
        new("served-100", "Calls, 100 callers, both ends alike", new Workload(100),
            [
                .. BothEnds(isApart: false),
                () => new SafeAmqpCalls($"{SafeAmqpCalls.BothEnds}, 16 handlers at once", Server.SafeAmqpOf16),
            ],
        [
            new("call and reply, both ends, 100 callers", RabbitMqClientCalls.Direct, Figure.Throughput, 1.0),
            new("call and reply, both ends, 100 callers", RabbitMqClientCalls.ReplyQueue, Figure.Throughput, 1.1),
            new("call and reply, both ends, 100 callers", RabbitMqClientCalls.Guaranteed, Figure.Throughput, 2.0),
            new("call and reply, both ends, 100 callers", MassTransitCalls.Title, Figure.Throughput, 5.0),
            new("CPU per call, both ends, 100 callers", RabbitMqClientCalls.Direct, Figure.Cpu, 0.8),
            new("allocated bytes per call, both ends, 100 callers", null, Figure.Allocation, 2000),
        ]),
        new("caller-100", "Calls, 100 callers, the server by hand in the same process", new Workload(100),
            [
                () => new SafeAmqpCalls(SafeAmqpCalls.ServerByHand, Server.ByHand),
                () => new RabbitMqClientCalls(RabbitMqClientCalls.Direct, isDirect: true),
            ],
            [new("call and reply, the server by hand, 100 callers", RabbitMqClientCalls.Direct, Figure.Throughput,
                1.0)]),
        new("served-apart-100", "Calls, 100 callers, the server alike, in a process of its own", new Workload(100),
            [.. BothEnds(isApart: true)],
        [
            new("call and reply, a process for each end, 100 callers", RabbitMqClientCalls.Direct, Figure.Throughput,
                1.0),
            new("call and reply, a process for each end, 100 callers", RabbitMqClientCalls.ReplyQueue,
                Figure.Throughput, 1.1),
            new("call and reply, a process for each end, 100 callers", RabbitMqClientCalls.Guaranteed,
                Figure.Throughput, 2.0),
            new("call and reply, a process for each end, 100 callers", MassTransitCalls.Title, Figure.Throughput, 5.0),
        ]),
        new("consume", "Consume and acknowledge", new Workload(1),
            [() => new SafeAmqpConsume(), () => new RabbitMqClientConsume()],
            [new("consume and ack, prefetch 1,000, 256 B", RabbitMqClientConsume.Title, Figure.Throughput, 1.4)]),
        new("relay-1", "Consume, publish confirmed, acknowledge; one at a time", new Workload(1),
            [() => new SafeAmqpConsume(isRelay: true, 1), () => new RabbitMqClientConsume(isRelay: true, 1)],
            [new("consume, publish confirmed, acknowledge; one at a time", RabbitMqClientConsume.RelayTitle,
                Figure.Throughput, 1.0)]),
        new("relay-16", "Consume, publish confirmed, acknowledge; 16 at once", new Workload(16),
            [() => new SafeAmqpConsume(isRelay: true, 16), () => new RabbitMqClientConsume(isRelay: true, 16)],
            [new("consume, publish confirmed, acknowledge; 16 at once", RabbitMqClientConsume.RelayTitle,
                Figure.Throughput, 1.5)]),
        new("growth", "Confirmed publishes, ever more callers", new Workload(10_000),
            [.. Growth.Select<int, Func<Contender>>(callers => () => new SafeAmqpCallers(callers))],
            [
                new("10,000 callers", SafeAmqpCallers.Title(1000), Figure.Throughput, 1.0),
                new("10,000 callers", SafeAmqpCallers.Title(100), Figure.Throughput, 1.0)]),
        new("embedded", "The embedded broker, 1,000 callers", new Workload(1000),
            [() => new SafeAmqpOnEmbedded(), Ours],
            [new("the embedded broker, 256 B confirmed, 1,000 callers", "SafeAmqp", Figure.Throughput, 1.0)]),
        new("clients", "Confirmed publishes, several clients", new Workload(1000),
            [Ours, .. clients.Select<int, Func<Contender>>(count => () => new SafeAmqpPublish(count))], []),
    ];

    // Each with its own server: by hand as fast as it goes, and with what SafeAmqp promises.
    private static Func<Contender>[] BothEnds(bool isApart) =>
    [
        () => new SafeAmqpCalls(SafeAmqpCalls.BothEnds, Server.SafeAmqp, isApart),
        () => new RabbitMqClientCalls(RabbitMqClientCalls.Direct, isDirect: true, isApart),
        () => new RabbitMqClientCalls(RabbitMqClientCalls.ReplyQueue, isApart: isApart),
        () => new RabbitMqClientCalls(RabbitMqClientCalls.Guaranteed, isApart: isApart,
            server: Server.ByHandAcknowledging),
        () => new MassTransitCalls(isApart),
    ];
}
