// Every wait here is bounded by itself.
#pragma warning disable xUnit1051
using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using SafeAmqp.Actor;
using SafeAmqp.Consuming;
using SafeAmqp.Owner;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Tests.Consuming;

public sealed class DeliveryPumpTests
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(20);

    private readonly Settlements _settled = new();
    private ulong _tag;

    [Fact]
    public async Task Deliveries_of_one_key_are_handled_in_order_and_different_keys_at_once()
    {
        const int Keys = 7, Each = 200;
        var seen = new ConcurrentDictionary<string, ConcurrentQueue<ulong>>();
        var running = new ConcurrentDictionary<string, int>();
        using var all = new CountdownEvent(Keys * Each);
        int overlaps = 0, together = 0, most = 0;
        Subscription subscription = Subscribe(
            new AmqpConsumerOptions { Concurrency = 4, KeySelector = delivery => delivery.Message.RoutingKey },
            async (_, delivery) =>
        {
            string key = delivery.Message.RoutingKey;
            if (running.AddOrUpdate(key, 1, (_, count) => count + 1) > 1)
                Interlocked.Increment(ref overlaps);
            int now = Interlocked.Increment(ref together);
            most = Math.Max(most, now);
            await Task.Yield();
            seen.GetOrAdd(key, _ => []).Enqueue(delivery.DeliveryTag);
            Interlocked.Decrement(ref together);
            running.AddOrUpdate(key, 0, (_, count) => count - 1);
            all.Signal();
        });
        for (int i = 0; i < Keys * Each; i++)
            subscription.Pump.Post(Delivery($"key-{i % Keys}"));
        Assert.True(await Task.Run(() => all.Wait(Long)));
        Assert.Equal(0, overlaps);
        Assert.Equal(Keys, seen.Count);
        Assert.All(seen.Values, tags => Assert.Equal(tags.Order(), tags));
        Assert.InRange(most, 1, 4);
        await subscription.Pump.StopAsync(Long, TimeProvider.System);
    }

    [Fact]
    public async Task Without_a_key_as_many_handlers_run_at_once_as_were_asked_for()
    {
        using var inside = new CountdownEvent(3);
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int running = 0, most = 0;
        Subscription subscription = Subscribe(new AmqpConsumerOptions { Concurrency = 3 }, async (_, _) =>
        {
            int now = Interlocked.Increment(ref running);
            for (int seen = Volatile.Read(ref most); now > seen; seen = Volatile.Read(ref most))
                Interlocked.CompareExchange(ref most, now, seen);
            if (!inside.IsSet)
                inside.Signal();
            await release.Task;
            Interlocked.Decrement(ref running);
        });
        for (int i = 0; i < 10; i++)
            subscription.Pump.Post(Delivery());
        Assert.True(await Task.Run(() => inside.Wait(Long)));
        Assert.Equal(3, most);
        release.SetResult();
        await subscription.Pump.StopAsync(Long, TimeProvider.System);
        Assert.Equal(3, most);
    }

    [Fact]
    public async Task Stopping_gives_back_what_has_not_begun_and_waits_for_what_runs()
    {
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int handled = 0;
        Subscription subscription = Subscribe(new AmqpConsumerOptions(), async (_, _) =>
        {
            begun.TrySetResult();
            await release.Task;
            handled++;
        });
        for (int i = 0; i < 5; i++)
            subscription.Pump.Post(Delivery());
        await begun.Task.WaitAsync(Long);
        Task stop = subscription.Pump.StopAsync(Long, TimeProvider.System);
        Assert.False(stop.IsCompleted);
        release.SetResult();
        await stop.WaitAsync(Long);
        Assert.Equal(1, handled);
        Assert.Equal(
            [2UL, 3UL, 4UL, 5UL],
            _settled.All.Where(settled => settled.Settlement == AmqpSettlement.Requeue).Select(settled => settled.Tag));
        subscription.Pump.Post(Delivery());
        Assert.Equal((6UL, AmqpSettlement.Requeue), _settled.All.Last());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    public async Task Stopping_from_inside_a_handler_does_not_wait_for_itself(int concurrency)
    {
        var stopped = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Subscription subscription = Subscribe(
            new AmqpConsumerOptions { Concurrency = concurrency, KeySelector = _ => "k" }, async (subscription, _) =>
        {
            await Task.Yield();
            await Task.Run(() => subscription.Pump.StopAsync(Timeout.InfiniteTimeSpan, TimeProvider.System));
            stopped.SetResult();
        });
        subscription.Pump.Post(Delivery());
        await stopped.Task.WaitAsync(Long);
    }

    [Fact]
    public async Task Stopping_gives_a_handler_that_hangs_up_after_the_time_it_was_given()
    {
        var time = new ManualTimeProvider();
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Subscription subscription = Subscribe(new AmqpConsumerOptions(), async (_, _) =>
        {
            begun.SetResult();
            await Task.Delay(Timeout.Infinite);
        });
        subscription.Pump.Post(Delivery());
        await begun.Task.WaitAsync(Long);
        Task stop = subscription.Pump.StopAsync(TimeSpan.FromSeconds(7), time);
        await time.WhenArmedAsync(TimeSpan.FromSeconds(7)).WaitAsync(Long);
        Assert.False(stop.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(7));
        await stop.WaitAsync(Long);
    }

    [Fact]
    public async Task A_delivery_that_was_lost_before_its_turn_is_not_handled()
    {
        var handled = new ConcurrentQueue<ulong>();
        var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var lost = new CancellationTokenSource();
        Subscription subscription = Subscribe(new AmqpConsumerOptions(), async (_, delivery) =>
        {
            handled.Enqueue(delivery.DeliveryTag);
            await release.Task;
        });
        var last = new TaskCompletionSource();
        subscription.Pump.Post(Delivery());
        subscription.Pump.Post(Delivery(lost: lost.Token));
        subscription.Pump.Post(Delivery());
        await lost.CancelAsync();
        release.SetResult();
        while (handled.Count < 2)
            await Task.Yield();
        Assert.Equal([1UL, 3UL], handled);
        Assert.Empty(_settled.All);
        await subscription.Pump.StopAsync(Long, TimeProvider.System);
    }

    [Fact]
    public async Task What_is_held_goes_back_after_its_time_and_at_once_when_the_pump_stops()
    {
        var held = new ConcurrentQueue<ulong>();
        Subscription subscription = SubscribeHolding(new AmqpConsumerOptions(), (_, delivery) =>
        {
            held.Enqueue(delivery.DeliveryTag);
            return new(new Held(delivery.DeliveryTag == 1 ? TimeSpan.FromMilliseconds(20) : Timeout.InfiniteTimeSpan));
        });
        for (int i = 0; i < 3; i++)
            subscription.Pump.Post(Delivery());
        while (_settled.All.IsEmpty || held.Count < 3)
            await Task.Yield();
        Assert.Equal((1UL, AmqpSettlement.Requeue), Assert.Single(_settled.All));
        await subscription.Pump.StopAsync(Long, TimeProvider.System);
        while (_settled.All.Count < 3)
            await Task.Yield();
        Assert.Equal([1UL, 2UL, 3UL], _settled.All.Select(settled => settled.Tag).Order());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_move_keeps_its_key_and_no_worker_and_stopping_waits_for_it(bool isKeyed)
    {
        var handled = new ConcurrentQueue<string>();
        var moves = new ConcurrentQueue<TaskCompletionSource<Held?>>();
        Subscription subscription = SubscribeHolding(new AmqpConsumerOptions
        {
            KeySelector = isKeyed ? delivery => delivery.Message.RoutingKey : null,
        }, (_, delivery) =>
        {
            handled.Enqueue($"{delivery.Message.RoutingKey}{delivery.DeliveryTag}");
            if (delivery.Message.RoutingKey != "a")
                return new((Held?)null);
            var move = new TaskCompletionSource<Held?>(TaskCreationOptions.RunContinuationsAsynchronously);
            moves.Enqueue(move);
            return new(new Held { Move = move.Task });
        });
        foreach (string key in (string[])["a", "a", "a", "b", "c"])
            subscription.Pump.Post(Delivery(key));
        string[] others = ["b4", "c5"];
        if (!isKeyed)
        {
            await UntilAsync(() => handled.Count == 5);
            Assert.Equal(["a1", "a2", "a3", .. others], handled);
        }
        else
        {
            await UntilAsync(() => handled.Count == 3);
            Assert.Equal(["a1", .. others], handled);
            moves.Single().SetResult(null); // moved
            await UntilAsync(() => handled.Count == 4);
            moves.Last().SetResult(new Held(TimeSpan.FromMilliseconds(1), Again: true)); // not moved: tried again
            await UntilAsync(() => handled.Count == 5);
            moves.Last().SetResult(new Held(Timeout.InfiniteTimeSpan)); // not moved: returns, and its key goes on
            await UntilAsync(() => handled.Count == 6);
            Assert.Equal(["a1", .. others, "a2", "a2", "a3"], handled);
        }

        Task stop = subscription.Pump.StopAsync(Long, TimeProvider.System);
        while (!moves.All(move => move.Task.IsCompleted))
        {
            Assert.False(stop.IsCompleted);
            moves.First(move => !move.Task.IsCompleted).SetResult(null);
        }
        await stop.WaitAsync(Long);

        Assert.Equal(isKeyed ? [(2UL, AmqpSettlement.Requeue)] : [], _settled.All);
    }

    [Fact]
    public async Task The_key_of_a_move_whose_delivery_was_lost_goes_on()
    {
        var handled = new ConcurrentQueue<ulong>();
        using var lost = new CancellationTokenSource();
        var move = new TaskCompletionSource<Held?>(TaskCreationOptions.RunContinuationsAsynchronously);
        Subscription subscription = SubscribeHolding(new AmqpConsumerOptions { KeySelector = _ => "one" },
            (_, delivery) =>
        {
            handled.Enqueue(delivery.DeliveryTag);
            return new(handled.Count == 1 ? new Held { Move = move.Task } : (Held?)null);
        });
        subscription.Pump.Post(Delivery(lost: lost.Token));
        subscription.Pump.Post(Delivery(lost: lost.Token));
        subscription.Pump.Post(Delivery());
        await UntilAsync(() => handled.Count == 1);
        await lost.CancelAsync();
        move.SetResult(null);
        await UntilAsync(() => handled.Count == 2);
        Assert.Equal([1UL, 3UL], handled);
        await subscription.Pump.StopAsync(Long, TimeProvider.System);
        Assert.Empty(_settled.All);
    }

    [Fact]
    public async Task What_is_held_of_a_stream_comes_to_the_handler_again()
    {
        var handled = new ConcurrentQueue<ulong>();
        Subscription subscription = SubscribeHolding(new AmqpConsumerOptions(), (_, delivery) =>
        {
            handled.Enqueue(delivery.DeliveryTag);
            return new(handled.Count < 4 ? new Held(TimeSpan.FromMilliseconds(1)) : (Held?)null);
        });
        subscription.Pump.Post(new AmqpDelivery(new AmqpMessage(), "work", 1, redelivered: false, 1, _settled.Settle,
            default, streamOffset: 7));
        while (handled.Count < 4)
            await Task.Yield();
        Assert.Empty(_settled.All);
        await subscription.Pump.StopAsync(Long, TimeProvider.System);
    }

    [Fact]
    public async Task No_handler_begins_once_its_consumer_or_its_host_stops()
    {
        using var host = new CancellationTokenSource();
        int handled = 0;
        var events = new LinkEvents(NullLogger.Instance, "test", "test");
        var thread = new IoThread("test", new MonotonicClock(TimeProvider.System), events, _ => ActorTime.Never);
        var subscription = new Subscription("work", new AmqpConsumerOptions(), thread, (_, _) =>
        {
            handled++;
            return new((Held?)null);
        }, host.Token);
        await host.CancelAsync();
        Assert.True(subscription.Stopping.Token.IsCancellationRequested || subscription.Stopping.IsBegun);
        subscription.Pump.Post(Delivery());
        await subscription.Pump.StopAsync(Long, TimeProvider.System);
        Assert.Equal(0, handled);
        Assert.Equal(AmqpSettlement.Requeue, Assert.Single(_settled.All).Settlement);
    }

    [Fact]
    public async Task A_selector_that_throws_or_knows_no_key_loses_no_delivery()
    {
        using var all = new CountdownEvent(30);
        Subscription subscription = Subscribe(new AmqpConsumerOptions
        {
            Concurrency = 3,
            KeySelector = delivery =>
                (delivery.DeliveryTag % 3) switch { 0 => throw new FormatException(), 1 => null, _ => "key" },
        }, (_, _) =>
        {
            all.Signal();
            return ValueTask.CompletedTask;
        });
        for (int i = 0; i < 30; i++)
            subscription.Pump.Post(Delivery());
        Assert.True(await Task.Run(() => all.Wait(Long)));
    }

    [Fact]
    public void Quick_handlers_run_beside_the_connection_and_slow_ones_on_the_pool()
    {
        using var handled = new AutoResetEvent(false);
        string? thread = null;
        bool isSlow = false;
        Subscription subscription = Subscribe(new AmqpConsumerOptions(), (_, _) =>
        {
            thread = Thread.CurrentThread.Name;
            if (isSlow)
                Thread.Sleep(5); // what a slow handler does
            handled.Set();
            return ValueTask.CompletedTask;
        });
        var batch = new ContinuationBatch(new Mailbox(), new ContinuationThread("beside"));
        var io = new Thread(() =>
        {
            batch.Attach();
            // Once one was seen to be quick, or slow, and the worker waits for the next
            Assert.True(SpinWait.SpinUntil(() => Handle() == "beside", Long));
            isSlow = true;
            Assert.True(SpinWait.SpinUntil(() => Handle() != "beside", Long));
            batch.Detach();
        });
        io.Start();
        Assert.True(io.Join(Long));

        string? Handle()
        {
            subscription.Pump.Post(Delivery());
            batch.HandOut(0);
            Assert.True(handled.WaitOne(Long));
            return thread;
        }
    }

    private static async Task UntilAsync(Func<bool> condition)
    {
        long start = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(start) < Long);
            await Task.Yield();
        }
    }

    private static Subscription Subscribe(
        AmqpConsumerOptions options, Func<Subscription, AmqpDelivery, ValueTask> handler)
        => SubscribeHolding(options, async (subscription, delivery) =>
        {
            await handler(subscription, delivery);
            return null;
        });

    private static Subscription SubscribeHolding(AmqpConsumerOptions options, DeliveryHandler handler)
    {
        var events = new LinkEvents(NullLogger.Instance, "test", "test");
        return new Subscription("work", options,
            new IoThread("test", new MonotonicClock(TimeProvider.System), events, _ => ActorTime.Never), handler);
    }

    private AmqpDelivery Delivery(string key = "", CancellationToken lost = default)
        => new(new AmqpMessage { RoutingKey = key }, "work", ++_tag, redelivered: false, 1, _settled.Settle, lost);

    private sealed class Settlements
    {
        internal ConcurrentQueue<(ulong Tag, AmqpSettlement Settlement)> All { get; } = [];

        public bool Settle(AmqpDelivery delivery, AmqpSettlement settlement)
        {
            All.Enqueue((delivery.DeliveryTag, settlement));
            return true;
        }
    }
}
