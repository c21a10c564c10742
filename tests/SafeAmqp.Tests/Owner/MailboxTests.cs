using System.Diagnostics;
using SafeAmqp.Actor;
using SafeAmqp.Owner;

namespace SafeAmqp.Tests.Owner;

public sealed class MailboxTests
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(30);

    [Fact]
    public void Messages_come_in_the_order_of_their_writer()
    {
        var mailbox = new Mailbox();
        IActorMessage[] sent = [.. Enumerable.Range(0, 100).Select(_ => new ShellStep(() => { }))];
        Assert.All(sent, message => Assert.True(mailbox.Post(message)));
        Assert.Equal(sent, TakeAll(mailbox));
    }

    [Fact]
    public void A_closed_mailbox_takes_nothing_and_gives_what_it_has()
    {
        var mailbox = new Mailbox();
        mailbox.Post(new ActorCommand.Start());
        mailbox.Close();
        Assert.False(mailbox.Post(new ActorCommand.Start()));
        Assert.Single(TakeAll(mailbox));
    }

    [Fact]
    public void A_wait_ends_at_once_when_there_is_a_message_and_at_its_time_when_there_is_none()
    {
        var mailbox = new Mailbox();
        mailbox.Wait(TimeSpan.FromMilliseconds(1));
        mailbox.Post(new ActorCommand.Start());
        var watch = Stopwatch.StartNew();
        mailbox.Wait(Long);
        Assert.True(watch.Elapsed < Long / 2);
    }

    [Fact]
    public void A_wake_up_before_the_wait_ends_it_and_only_it()
    {
        var mailbox = new Mailbox();
        mailbox.Wake();
        var watch = Stopwatch.StartNew();
        mailbox.Wait(Long);
        Assert.True(watch.Elapsed < Long / 2);
        watch.Restart();
        mailbox.Wait(TimeSpan.FromMilliseconds(30));
        Assert.True(watch.Elapsed > TimeSpan.FromMilliseconds(20));
    }

    [Fact]
    public async Task No_wake_up_is_lost_whichever_way_writers_and_reader_meet()
    {
        const int Writers = 4, Each = 20_000;
        var mailbox = new Mailbox();
        using var room = new SemaphoreSlim(2); // so small that the reader sleeps again and again
        int read = 0;
        TimeSpan longest = TimeSpan.Zero;
        Task reader = Task.Factory.StartNew(() =>
        {
            while (read < Writers * Each)
            {
                var watch = Stopwatch.StartNew();
                mailbox.Wait(Long);
                longest = watch.Elapsed > longest ? watch.Elapsed : longest;
                while (mailbox.TryTake(out _))
                {
                    read++;
                    room.Release();
                }
            }
        }, TaskCreationOptions.LongRunning);
        await Task.WhenAll(Enumerable.Range(0, Writers).Select(_ => Task.Run(() =>
        {
            for (int i = 0; i < Each; i++)
            {
                room.Wait();
                mailbox.Post(new ActorCommand.Start());
                if (i % 3 == 0)
                    mailbox.Wake();
            }
            // Tens of thousands of turns take what they take; a wake-up that is lost shows in the longest wait
        }))).WaitAsync(Long * 10, TestContext.Current.CancellationToken);
        await reader.WaitAsync(Long * 10, TestContext.Current.CancellationToken);
        Assert.Equal(Writers * Each, read);
        Assert.True(longest < Long / 2, $"the reader slept for {longest}");
    }

    [Fact]
    public async Task Wake_ups_without_a_message_are_not_lost_either()
    {
        const int Rounds = 200_000;
        var mailbox = new Mailbox();
        int asked = 0, seen = 0;
        Task reader = Task.Factory.StartNew(() =>
        {
            while (Volatile.Read(ref seen) < Rounds)
            {
                Volatile.Write(ref seen, Volatile.Read(ref asked)); // what the thread looks at before it sleeps
                mailbox.Wait(Long);
            }
        }, TaskCreationOptions.LongRunning);
        await Task.Run(() =>
        {
            for (int i = 1; i <= Rounds; i++)
            {
                Volatile.Write(ref asked, i);
                mailbox.Wake();
                var watch = Stopwatch.StartNew();
                for (var spin = new SpinWait(); Volatile.Read(ref seen) < i; spin.SpinOnce(sleep1Threshold: -1))
                    Assert.True(watch.Elapsed < Long / 2, $"wake-up {i} was lost");
            }
        }, TestContext.Current.CancellationToken);
        Assert.Equal(Rounds, seen);
        mailbox.Wake();
        await reader.WaitAsync(Long * 2, TestContext.Current.CancellationToken);
    }

    private static List<IActorMessage> TakeAll(Mailbox mailbox)
    {
        var taken = new List<IActorMessage>();
        while (mailbox.TryTake(out IActorMessage message))
            taken.Add(message);
        return taken;
    }
}
