using System.Runtime.CompilerServices;
using SafeAmqp.Actor;
using SafeAmqp.Owner;

namespace SafeAmqp.Tests.Actor;

/// <summary>Completions, alone and gathered as an I/O thread gathers them. Every wait is bounded by itself.</summary>
#pragma warning disable xUnit1051, xUnit1030
public sealed class CompletionTests
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task It_ends_once_and_the_first_wins()
    {
        var completion = new Completion<int>();
        Assert.False(completion.HasEnded);
        Assert.True(completion.TryComplete(1));
        Assert.False(completion.TryComplete(2));
        Assert.False(completion.TryFail(new InvalidOperationException()));
        Assert.True(completion.HasEnded);
        Assert.Equal(1, await completion.Task);
    }

    [Fact]
    public async Task An_error_is_thrown_and_a_cancellation_is_one()
    {
        var failed = new Completion<int>();
        failed.TryFail(new InvalidOperationException("why"));
        Assert.Equal(
            "why", (await Assert.ThrowsAsync<InvalidOperationException>(async () => await failed.Void)).Message);
        var cancelled = new Completion<int>();
        cancelled.TryFail(new OperationCanceledException());
        Assert.True(cancelled.Task.IsCanceled);
    }

    [Fact]
    public void A_second_await_is_refused()
    {
        var completion = new Completion<int>();
        ConfiguredValueTaskAwaitable<int>.ConfiguredValueTaskAwaiter awaiter = completion.Task.ConfigureAwait(false)
            .GetAwaiter();
        awaiter.UnsafeOnCompleted(static () => { });
        Assert.Throws<InvalidOperationException>(() => awaiter.UnsafeOnCompleted(static () => { }));
    }

    [Fact]
    public async Task What_ends_on_an_io_thread_waits_for_the_end_of_its_batch_and_goes_on_elsewhere_in_order()
    {
        const int Count = 100;
        var completions = Enumerable.Range(0, Count).Select(_ => new Completion<bool>()).ToArray();
        var begun = new List<int>();
        int owner = 0;
        Task[] awaiting = [.. completions.Select((completion, i) => AwaitAsync(completion, () => begun.Add(i)))];
        OnIoThread(batch =>
        {
            owner = Environment.CurrentManagedThreadId;
            foreach (Completion<bool> completion in completions)
                completion.TryComplete(true);
            Assert.Empty(begun);
            batch.HandOut(0);
        });
        await Task.WhenAll(awaiting).WaitAsync(Long);
        Assert.Equal(Enumerable.Range(0, Count), begun.Order());

        async Task AwaitAsync(Completion<bool> completion, Action then)
        {
            await completion.Task.ConfigureAwait(false);
            Assert.NotEqual(owner, Environment.CurrentManagedThreadId);
            lock (begun)
                then();
        }
    }

    [Fact]
    public async Task One_that_blocks_does_not_hold_back_those_behind_it()
    {
        using var gate = new ManualResetEventSlim();
        var blocking = new Completion<bool>();
        var behind = Enumerable.Range(0, 10).Select(_ => new Completion<bool>()).ToArray();
        Task blocked = AwaitAsync(blocking, () => gate.Wait(Long));
        var others = Task.WhenAll(behind.Select(completion => AwaitAsync(completion, static () => { })));
        OnIoThread(batch =>
        {
            foreach (Completion<bool> completion in behind.Prepend(blocking))
                completion.TryComplete(true);
            // Only the thread looks after them: without that the others would wait for the gate. Its own clock, as a
            // loop would have it.
            for (long now = 0; !others.IsCompleted; now += ContinuationBatch.LookAfter)
            {
                bool looksAgain = batch.HandOut(now) != ActorTime.Never; // unless each of them has begun
                Assert.True(
                    others.Wait(looksAgain ? TimeSpan.FromMilliseconds(2) : Long) || looksAgain,
                    "nothing would look again");
            }
        });
        Assert.False(blocked.IsCompleted);
        gate.Set();
        await blocked.WaitAsync(Long);

        static async Task AwaitAsync(Completion<bool> completion, Action then)
        {
            await completion.Task.ConfigureAwait(false);
            then();
        }
    }

    [Fact]
    public async Task One_that_is_known_to_take_long_waits_for_no_batch()
    {
        var completion = new Completion<bool> { TakesLong = true };
        Task<bool> onPool = AwaitAsync();
        OnIoThread(_ =>
        {
            completion.TryComplete(true);
            Assert.True(onPool.Wait(Long)); // nothing was handed out
        });
        Assert.True(await onPool);

        async Task<bool> AwaitAsync()
        {
            await completion.Task.ConfigureAwait(false);
            return Thread.CurrentThread.IsThreadPoolThread;
        }
    }

    [Fact]
    public async Task What_one_leaves_on_its_thread_is_gone_for_the_next()
    {
        var local = new AsyncLocal<string>();
        var completions = Enumerable.Range(0, 20).Select(_ => new Completion<bool>()).ToArray();
        var seen = new List<string?>();
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        foreach (Completion<bool> completion in completions)
        {
            // Not through an async method, which would clean up after itself.
            completion.Task.ConfigureAwait(false).GetAwaiter().UnsafeOnCompleted(() =>
            {
                lock (seen)
                {
                    seen.Add(local.Value ?? SynchronizationContext.Current?.ToString());
                    if (seen.Count == completions.Length)
                        all.TrySetResult();
                }
                local.Value = "mine";
                SynchronizationContext.SetSynchronizationContext(new SynchronizationContext());
            });
        }
        OnIoThread(batch =>
        {
            foreach (Completion<bool> completion in completions)
                completion.TryComplete(true);
            batch.HandOut(0);
        });
        await all.Task.WaitAsync(Long);
        Assert.All(seen, Assert.Null);
    }

    [Fact]
    public async Task Code_with_a_context_of_its_own_goes_on_there()
    {
        var context = new Recording();
        var completion = new Completion<bool>();
        SynchronizationContext? before = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(context);
        completion.Task.GetAwaiter()
            .UnsafeOnCompleted(() => context.Ran.TrySetResult(SynchronizationContext.Current == context));
        SynchronizationContext.SetSynchronizationContext(before);
        OnIoThread(_ => completion.TryComplete(true));
        Assert.True(await context.Ran.Task.WaitAsync(Long));
    }

    private static void OnIoThread(Action<ContinuationBatch> run)
    {
        Exception? failure = null;
        var thread = new Thread(() =>
        {
            var batch = new ContinuationBatch(new Mailbox(), new ContinuationThread("test"));
            batch.Attach();
            try
            {
                run(batch);
            }
            catch (Exception error)
            {
                failure = error;
            }
            batch.Detach();
        });
        thread.Start();
        Assert.True(thread.Join(Long));
        Assert.Null(failure);
    }

    private sealed class Recording : SynchronizationContext
    {
        internal TaskCompletionSource<bool> Ran { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public override void Post(SendOrPostCallback d, object? state) => ThreadPool.QueueUserWorkItem(_ =>
        {
            SetSynchronizationContext(this);
            d(state);
            SetSynchronizationContext(null);
        });
    }
}
