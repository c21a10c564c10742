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
}
