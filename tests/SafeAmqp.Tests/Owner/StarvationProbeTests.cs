using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using SafeAmqp.Actor;
using SafeAmqp.Owner;
using SafeAmqp.Telemetry;
using SafeAmqp.Tests.Hosting;

namespace SafeAmqp.Tests.Owner;

// The pool is real, the clock is not: a look is what the I/O thread does when the clock says so.
public sealed class StarvationProbeTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly CapturedLog _log = new();
    private readonly MonotonicClock _clock;
    private readonly StarvationProbe _probe;

    public StarvationProbeTests()
    {
        _clock = new MonotonicClock(_time);
        _probe = new StarvationProbe(_clock, new ClientEvents(_log, "test", TimeProvider.System));
    }

    public void Dispose() => _log.Dispose();

    private long LookAfter(double seconds)
    {
        _time.Advance(TimeSpan.FromSeconds(seconds));
        return _probe.Look(_clock.Now);
    }

    [Fact]
    public void A_pool_that_works_is_never_reported()
    {
        for (int second = 0; second < 20; second++)
        {
            Assert.Equal(_clock.Now + TimeSpan.FromSeconds(2).Ticks, LookAfter(1));
            Assert.True(SpinWait.SpinUntil(() => !_probe.IsWaiting, TimeSpan.FromSeconds(20)));
        }
        Assert.Null(_probe.StarvedFor);
        Assert.Equal(0, _probe.Starvations);
        Assert.Empty(_log.Lines);
    }

    [Fact]
    public void Between_two_looks_nothing_is_done()
    {
        long next = _probe.Look(_clock.Now);
        Assert.Equal(next, LookAfter(0.4));
        Assert.Equal(next, LookAfter(0.5));
        Assert.Equal(next + TimeSpan.FromSeconds(1).Ticks, LookAfter(0.1));
    }
}

/// <summary>Starves the whole process's pool, so nothing else may run.</summary>
[CollectionDefinition(nameof(StarvedPool), DisableParallelization = true)]
public sealed class StarvedPool;

[Collection(nameof(StarvedPool))]
public sealed class StarvedPoolTests
{
    // Runs on threads of its own throughout: the pool is what is missing.
    [Fact]
    public void A_starved_pool_is_told_in_the_log_the_status_and_the_delay_and_so_is_its_end()
    {
        using var log = new CapturedLog();
        string starved = "";
        AmqpClientStatus? before = null, during = null;
        bool ended = false;
        TimeSpan delay = default;
        int starvations = 0;
        var test = new Thread(() =>
        {
            using var factory = new OneLog(log);
            // Nothing listens there: the client only tries, and the probe works all the same.
            var client = new AmqpClient(
                new AmqpClientOptions { Uri = "amqp://guest:guest@127.0.0.1:1/", LoggerFactory = factory });
            client.Start();
            before = client.Status;
            ThreadPool.GetMinThreads(out int workers, out int ports);
            using var release = new ManualResetEventSlim();
            // As many as the pool has and will add meanwhile, and more: it adds a thread or two a second.
            for (int i = 0; i < Math.Max(workers, ThreadPool.ThreadCount) + 400; i++)
                ThreadPool.UnsafeQueueUserWorkItem(_ => release.Wait(TimeSpan.FromSeconds(60)), null);
            if (SpinWait.SpinUntil(() => client.Status.ThreadPoolStarvedFor is not null, TimeSpan.FromSeconds(30)))
            {
                during = client.Status;
                starved = during.ToString();
                delay = client.Probe.Delay;
            }
            release.Set();
            ended = SpinWait.SpinUntil(() => client.Status.ThreadPoolStarvedFor is null, TimeSpan.FromSeconds(30));
            starvations = client.Probe.Starvations;
            client.DisposeAsync().AsTask().Wait(TimeSpan.FromSeconds(10));
        });
        test.Start();
        Assert.True(test.Join(TimeSpan.FromSeconds(90)), "Starved itself.");
        Assert.Null(before!.ThreadPoolStarvedFor);
        Assert.NotNull(during);
        Assert.Contains("thread pool starved for ", starved, StringComparison.Ordinal);
        Assert.Equal(Microsoft.Extensions.Diagnostics.HealthChecks.HealthStatus.Degraded,
            SafeAmqp.Hosting.Health.Readiness(
                new AmqpClientStatus([FakeClient.Link(
                    "send", AmqpLinkState.Open)])
                { ThreadPoolStarvedFor = during.ThreadPoolStarvedFor },
                isComplete: true));
        Assert.True(delay >= TimeSpan.FromSeconds(1), $"{delay}");
        Assert.True(ended);
        Assert.True(starvations >= 1);
        Assert.Contains(log.Lines, line => line is (110, LogLevel.Warning, _));
        Assert.Contains(log.Lines, line => line is (111, LogLevel.Information, _));
    }

    private sealed class OneLog(CapturedLog log) : ILoggerFactory
    {
        public ILogger CreateLogger(string categoryName) => log;

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public void Dispose()
        {
        }
    }
}
