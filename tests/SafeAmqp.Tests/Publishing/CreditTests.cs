using SafeAmqp.Publishing;

namespace SafeAmqp.Tests.Publishing;

public sealed class CreditTests
{
    [Fact]
    public void Messages_and_bytes_are_both_bounded()
    {
        var credit = new Credit(2, 100);
        Assert.True(credit.TryTake(60));
        Assert.False(credit.TryTake(41));
        Assert.True(credit.TryTake(40));
        Assert.False(credit.TryTake(0));
        Assert.Equal((2L, 100L), (credit.Messages, credit.Bytes));
        credit.Release(60);
        credit.Release(40);
        Assert.Equal((0L, 0L), (credit.Messages, credit.Bytes));
    }

    [Fact]
    public void One_larger_than_the_whole_credit_is_admitted_alone()
    {
        var credit = new Credit(10, 100);
        Assert.True(credit.TryTake(1000));
        Assert.False(credit.TryTake(1));
        credit.Release(1000);
        Assert.True(credit.TryTake(1));
        Assert.False(credit.TryTake(1000));
        Credit.Waiter large = credit.Wait(1000, long.MaxValue);
        Assert.False(large.Completion.HasEnded);
        credit.Release(1);
        Assert.True(Granted(large));
    }

    [Fact]
    public void Turns_come_in_order_and_a_newcomer_overtakes_no_waiter()
    {
        var credit = new Credit(10, 100);
        credit.TryTake(90);
        Credit.Waiter large = credit.Wait(50, long.MaxValue), small = credit.Wait(5, long.MaxValue);
        Assert.False(credit.TryTake(5));
        Assert.False(small.Completion.HasEnded);
        credit.Release(90);
        Assert.True(Granted(large) && Granted(small));
        Assert.Equal((2L, 55L, 0), (credit.Messages, credit.Bytes, credit.Waiting));
        Assert.True(credit.TryTake(5));
    }

    [Fact]
    public void Credit_that_was_released_before_the_waiter_stood_in_line_is_not_missed()
    {
        var credit = new Credit(1, 100);
        credit.TryTake(0);
        credit.Release(0);
        Assert.True(Granted(credit.Wait(0, long.MaxValue)));
    }

    [Fact]
    public void A_waiter_that_withdraws_lets_the_next_in_and_takes_nothing()
    {
        var credit = new Credit(10, 100);
        credit.TryTake(90);
        Credit.Waiter large = credit.Wait(50, long.MaxValue), small = credit.Wait(5, long.MaxValue);
        Assert.True(large.Withdraw());
        Assert.False(Granted(large));
        Assert.True(Granted(small));
        Assert.False(large.Withdraw());
        Assert.False(small.Withdraw()); // its turn has come
        Assert.Equal((2L, 95L, 0), (credit.Messages, credit.Bytes, credit.Waiting));
    }

    [Fact]
    public void Deadlines_send_waiters_away_and_let_those_behind_them_in()
    {
        var credit = new Credit(10, 100);
        credit.TryTake(90);
        Credit.Waiter large = credit.Wait(50, deadline: 100), small = credit.Wait(5, deadline: 200),
            last = credit.Wait(20, deadline: 300);
        Assert.Equal(100, credit.Expire(99));
        Assert.Equal(200, credit.Expire(100)); // looked at before the small one's turn
        Assert.False(Granted(large));
        Assert.True(Granted(small));
        Assert.Equal(300, credit.Expire(250));
        Assert.Equal(long.MaxValue, credit.Expire(300));
        Assert.False(Granted(last));
        Assert.Equal(long.MaxValue, credit.Expire(1000));
    }

    [Fact]
    public void Closing_sends_all_waiters_away_and_none_waits_any_more()
    {
        var credit = new Credit(1, 100);
        credit.TryTake(0);
        Credit.Waiter before = credit.Wait(0, long.MaxValue);
        credit.Close();
        Assert.False(Granted(before));
        Assert.False(Granted(credit.Wait(0, long.MaxValue)));
        Assert.Equal(0, credit.Waiting);
    }

    [Fact]
    public async Task Many_threads_that_take_wait_withdraw_and_release_leave_it_balanced_and_within_its_bounds()
    {
        const int Bound = 5;
        var credit = new Credit(Bound, 1_000);
        long inside = 0, most = 0, granted = 0, withdrawn = 0;
        for (int i = 0; i < Bound; i++)
            // given back when all stand in line: so they do wait, however few threads there are
            Assert.True(credit.TryTake(0));
        using var expiring = new CancellationTokenSource();
        var expirer = Task.Run(() =>
        {
            while (!expiring.IsCancellationRequested)
                credit.Expire(1); // deadlines of 0 are due, of 2 are not
        }, TestContext.Current.CancellationToken);
        var all = Task.WhenAll(Enumerable.Range(0, 8).Select(seed => Task.Run(async () =>
        {
            var random = new Random(seed);
            for (int i = 0; i < 2_000; i++)
            {
                int size = random.Next(300);
                if (!credit.TryTake(size))
                {
                    Credit.Waiter waiter = credit.Wait(size, random.Next(4) == 0 ? 0 : 2);
                    if (random.Next(8) == 0)
                        waiter.Withdraw();
                    if (!await waiter.Completion.Task)
                    {
                        Interlocked.Increment(ref withdrawn);
                        continue;
                    }
                }
                Interlocked.Increment(ref granted);
                long now = Interlocked.Increment(ref inside);
                for (long seen = Volatile.Read(ref most); now > seen; seen = Volatile.Read(ref most))
                    Interlocked.CompareExchange(ref most, now, seen);
                if (random.Next(4) == 0)
                    await Task.Yield();
                Interlocked.Decrement(ref inside);
                credit.Release(size);
            }
        })));
        Assert.True(
            SpinWait.SpinUntil(() => Volatile.Read(ref withdrawn) > 0 && credit.Waiting > 0, TimeSpan.FromSeconds(30)));
        for (int i = 0; i < Bound; i++)
            credit.Release(0);
        await all.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);
        await expiring.CancelAsync();
        await expirer;
        Assert.Equal((0L, 0L, 0), (credit.Messages, credit.Bytes, credit.Waiting));
        Assert.Equal(16_000, granted + withdrawn);
        Assert.InRange(most, 1, Bound);
    }

    private static bool Granted(Credit.Waiter waiter)
    {
        ValueTask<bool> task = waiter.Completion.Task;
        Assert.True(task.IsCompleted);
        return task.GetAwaiter().GetResult();
    }
}
