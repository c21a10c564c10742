using SafeAmqp.Owner;

namespace SafeAmqp.Tests.Owner;

public sealed class AnnouncerTests
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Changes_are_told_in_their_order_one_at_a_time_and_the_oldest_left_out_while_one_takes_long()
    {
        var told = new List<int>();
        using var mayGoOn = new SemaphoreSlim(0);
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var last = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Thread? teller = null;
        int most = Announcer<int>.MaxWaiting;
        var announcer = new Announcer<int>(change =>
        {
            teller = Thread.CurrentThread;
            told.Add(change); // one at a time: a list would not bear more
            begun.TrySetResult();
            if (change == 0)
                Assert.True(mayGoOn.Wait(Long));
            if (change == most + 5)
                last.SetResult();
        });
        announcer.Announce(0);
        await begun.Task.WaitAsync(Long, TestContext.Current.CancellationToken);
        for (int change = 1; change <= most + 5; change++)
            announcer.Announce(change); // returns at once, although the first is still being told
        mayGoOn.Release();
        await last.Task.WaitAsync(Long, TestContext.Current.CancellationToken);
        Assert.Equal([0, .. Enumerable.Range(6, most)], told);
        Assert.True(teller!.IsThreadPoolThread);
    }

    [Fact]
    public async Task What_a_handler_leaves_in_its_context_is_not_there_for_the_next()
    {
        var context = new AsyncLocal<int>();
        var seen = new List<int>();
        var last = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var announcer = new Announcer<int>(change =>
        {
            seen.Add(context.Value);
            context.Value = change;
            if (change == 3)
                last.SetResult();
        });
        for (int change = 1; change <= 3; change++)
            announcer.Announce(change);
        await last.Task.WaitAsync(Long, TestContext.Current.CancellationToken);
        Assert.Equal([0, 0, 0], seen);
    }

    [Fact]
    public async Task What_comes_after_a_pause_is_told_too()
    {
        var told = new SemaphoreSlim(0);
        var announcer = new Announcer<int>(_ => told.Release());
        for (int i = 0; i < 1000; i++)
        {
            announcer.Announce(i);
            Assert.True(await told.WaitAsync(Long, TestContext.Current.CancellationToken));
        }
    }
}
