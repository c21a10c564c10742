using SafeAmqp.Actor;
using SafeAmqp.Owner;

namespace SafeAmqp.Tests.Owner;

public sealed class ContinuationThreadTests
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(20);

    [Fact]
    public void It_does_what_it_takes_in_order_and_all_of_it_before_it_ends()
    {
        var thread = new ContinuationThread("continuations");
        var done = new List<int>();
        string? name = null;
        using var last = new ManualResetEventSlim();
        for (int i = 0; i < 100; i++)
        {
            int number = i;
            // refused while the machine holds it up
            Assert.True(SpinWait.SpinUntil(() => thread.TryTake(new Work(() => done.Add(number))), Long));
        }
        Assert.True(SpinWait.SpinUntil(() => thread.TryTake(new Work(() => name = Thread.CurrentThread.Name)), Long));
        Assert.True(SpinWait.SpinUntil(() => thread.TryTake(new Work(last.Set)), Long));
        thread.End();
        Assert.True(last.Wait(Long, TestContext.Current.CancellationToken));
        Assert.Equal(Enumerable.Range(0, 100), done);
        Assert.Equal("continuations", name);
    }

    [Fact]
    public void While_something_lasts_it_takes_nothing_more_and_afterwards_it_does_again()
    {
        var thread = new ContinuationThread("continuations");
        using var go = new ManualResetEventSlim();
        using var begun = new ManualResetEventSlim();
        Assert.True(thread.TryTake(new Work(() =>
        {
            begun.Set();
            go.Wait(Long);
        })));
        Assert.True(begun.Wait(Long, TestContext.Current.CancellationToken));
        Assert.True(SpinWait.SpinUntil(() => !thread.TryTake(new Work(() => { })), Long));
        go.Set();
        Assert.True(SpinWait.SpinUntil(() => thread.TryTake(new Work(() => { })), Long));
        thread.End();
    }

    private sealed class Work(Action run) : IThreadPoolWorkItem
    {
        public void Execute() => run();
    }
}
