using System.Diagnostics;
using SafeAmqp.Testing.Loop;

namespace SafeAmqp.Testing.Tests.Loop;

public sealed class BrokerLoopTests
{
    [Fact]
    public void What_is_posted_while_the_loop_comes_to_rest_is_done_at_once()
    {
        const int Steps = 200_000;
        using BrokerLoop loop = new BrokerLoop(TimeProvider.System).WithTimers();
        int done = 0;
        Action step = () => Volatile.Write(ref done, done + 1);
        for (int posted = 1; posted <= Steps; posted++)
        {
            loop.Post(step);
            // The next one comes as soon as this one is seen done: just when the loop looks whether there is more.
            var watch = Stopwatch.StartNew();
            for (var spin = new SpinWait(); Volatile.Read(ref done) != posted; spin.SpinOnce(sleep1Threshold: -1))
                Assert.True(
                    watch.Elapsed < TimeSpan.FromSeconds(10), $"nothing ran what was posted as number {posted}");
        }
    }

    [Fact]
    public void What_is_cancelled_is_not_kept_until_its_time()
    {
        using BrokerLoop loop = new BrokerLoop(TimeProvider.System).WithTimers();
        bool fired = false;
        loop.Timers.After(3_600_000, () => fired = true); // before all others
        WeakReference kept = Arm(loop.Timers, cancels: false), cancelled = Arm(loop.Timers, cancels: true);
        GC.Collect();
        Assert.Equal((true, false), (kept.IsAlive, cancelled.IsAlive));
        for (int i = 0; i < 100_000; i++)
            loop.Timers.After(7_200_000 + i, static () => { }).Cancel();
        Assert.InRange(loop.Timers.Count, 2, 1_000);
        Assert.False(fired);

        [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
        static WeakReference Arm(LoopTimers timers, bool cancels)
        {
            object held = new();
            LoopTimers.Entry entry = timers.After(7_200_000, () => GC.KeepAlive(held));
            if (cancels)
                entry.Cancel();
            return new WeakReference(held);
        }
    }
}
