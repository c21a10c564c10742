using System.Reflection;
using SafeAmqp.Benchmarks.Measuring;

namespace SafeAmqp.Benchmarks.Contenders;

/// <param name="Callers">How many callers share the contender.</param>
/// <param name="BodySize">Bytes of each body.</param>
/// <param name="Routed">Whether messages are mandatory, persistent, and go to a durable queue; else they go to an
/// exchange without bindings, so that the client is what is measured.</param>
internal sealed record Workload(int Callers, int BodySize = 256, bool Routed = false)
{
    internal const string Sink = "safeamqp.benchmark.sink";
    internal const string RoutedExchange = "safeamqp.benchmark.routed";
    internal const string RoutedQueue = "safeamqp.benchmark.routed";

    /// <summary>Keeps the durable queue small over a whole run: older messages are dropped.</summary>
    internal const int RoutedQueueLength = 10_000;

    internal string Exchange => Routed ? RoutedExchange : Sink;

    internal byte[] Body { get; } = new byte[BodySize];
}

/// <summary>One way to do what is measured.</summary>
internal abstract class Contender : IAsyncDisposable
{
    internal abstract string Name { get; }

    internal abstract Task ConnectAsync(Uri broker, Workload workload);

    /// <summary>One operation of one caller; ends when its answer is there.</summary>
    protected abstract ValueTask OperateAsync(int caller);

    internal virtual Task<Measurement> MeasureAsync(Workload workload, TimeSpan duration)
        => Meter.MeasureAsync(() => Meter.ClosedLoopAsync(workload.Callers, duration, OperateAsync));

    public abstract ValueTask DisposeAsync();

    /// <summary>The version of a contender's package, as its name in the results has it.</summary>
    protected static string VersionOf(Type type)
        => type.Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion
            .Split('+')[0];
}
