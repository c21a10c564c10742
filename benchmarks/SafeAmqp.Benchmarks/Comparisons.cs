using SafeAmqp.Benchmarks.Contenders;
using SafeAmqp.Benchmarks.Measuring;

namespace SafeAmqp.Benchmarks;

/// <summary>Everything that is measured, with what is to be reached.</summary>
internal static class Comparisons
{
    private static readonly Func<Contender> Ours = () => new SafeAmqpPublish();
    private static readonly Func<Contender> Shared = () => new RabbitMqClientPublish(channelPerCaller: false);
    private static readonly Func<Contender> PerCaller = () => new RabbitMqClientPublish(channelPerCaller: true);

    internal static IReadOnlyList<Comparison> All { get; } =
    [
        new("publish-1", new Workload(1), [Ours, Shared],
            [new("one caller alone (latency)", RabbitMqClientPublish.Shared, Figure.Throughput, 1.0)]),
        new("publish-100", new Workload(100), [Ours, Shared, PerCaller, () => new MassTransitPublish()],
        [
            new("256 B, 100 callers", RabbitMqClientPublish.Shared, Figure.Throughput, 2.0),
            new("256 B, 100 callers", RabbitMqClientPublish.PerCaller, Figure.Throughput, 3.0),
            new("256 B, 100 callers", MassTransitPublish.Title, Figure.Throughput, 4.5),
            new("CPU per publish, 100 callers", RabbitMqClientPublish.Shared, Figure.Cpu, 0.5),
            new("allocated bytes per publish, 100 callers", null, Figure.Allocation, 350),
        ]),
        new("publish-1000", new Workload(1000), [Ours, Shared],
            [new("256 B, 1,000 callers", RabbitMqClientPublish.Shared, Figure.Throughput, 1.5)]),
        new("publish-10000", new Workload(10_000), [Ours, Shared, () => new BareSocketPublish()],
            [new("256 B, 10,000 callers", BareSocketPublish.Title, Figure.Throughput, 0.8)]),
        new("publish-routed", new Workload(100, Routed: true), [Ours, Shared, PerCaller],
            [new("256 B, mandatory, persistent, to a durable queue, 100 callers", RabbitMqClientPublish.Shared, Figure.Throughput, 1.0)]),
        new("publish-16k", new Workload(100, BodySize: 16 << 10), [Ours, Shared],
            [new("16 KiB, 100 callers", RabbitMqClientPublish.Shared, Figure.Throughput, 1.0)]),
        new("publish-1m", new Workload(10, BodySize: 1 << 20), [Ours, Shared],
            [new("1 MiB, 10 callers", RabbitMqClientPublish.Shared, Figure.Throughput, 1.0)]),
        new("call-1", new Workload(1), [() => new SafeAmqpCalls(), () => new RabbitMqClientCalls()],
            [new("call and reply, one caller (latency)", RabbitMqClientCalls.Title, Figure.Throughput, 0.95)]),
        new("call-100", new Workload(100), [() => new SafeAmqpCalls(), () => new RabbitMqClientCalls()],
            [new("call and reply, 100 callers", RabbitMqClientCalls.Title, Figure.Throughput, 1.6)]),
        new("consume", new Workload(1), [() => new SafeAmqpConsume(), () => new RabbitMqClientConsume()],
            [new("consume and ack, prefetch 1,000, 256 B", RabbitMqClientConsume.Title, Figure.Throughput, 1.4)]),
        new("clients", new Workload(1000), [Ours, () => new SafeAmqpPublish(clients: 2), () => new SafeAmqpPublish(clients: 4)], []),
    ];
}
