using Microsoft.Extensions.Time.Testing;
using SafeAmqp.Consuming;
using SafeAmqp.Telemetry;
using SafeAmqp.Tests.Actor;
using SafeAmqp.Tests.Hosting;

namespace SafeAmqp.Tests.Consuming;

/// <summary>How long a failed delivery is held: the broker takes back what is not acknowledged in time.</summary>
public sealed class FailedDeliveryTests : IAsyncDisposable
{
    private readonly FakeClient _client = new();
    private readonly CapturedLog _log = new();
    private readonly List<AmqpSettlement> _settled = [];

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        _log.Dispose();
    }

    [Theory]
    [InlineData(0, null, false)]
    [InlineData(4.9, null, false)]
    [InlineData(5.1, null, true)] // and 10 more are past half of RabbitMQ's 30
    [InlineData(0, 21.0, false)]
    [InlineData(0, 19.0, true)]
    public async Task Past_half_the_brokers_time_out_a_delivery_waits_in_the_retry_queue(double age, double? timeout,
        bool moves)
    {
        (FailedDeliveries failed, Subscription subscription) = Failing(AmqpFailurePolicy.Hold(
            TimeSpan.FromMinutes(10)), timeout);

        (AmqpSettlement? settlement, Held? held) = failed.Fail(subscription, Delivery(age),
            new InvalidOperationException("broken"));

        if (!moves)
        {
            Assert.Equal((null, new Held(TimeSpan.FromMinutes(10), Again: true)), (settlement, held));
            Assert.Empty(_client.Published);
            return;
        }
        Assert.Null(await held!.Value.Move!);
        Assert.Equal("work.retry.600000", Assert.Single(_client.Published).RoutingKey);
        Assert.Equal([AmqpSettlement.Ack], _settled);
        Assert.Equal(0, subscription.Status.Held);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Nothing_waits_in_a_queue_beside_one_that_goes_by_itself(bool serverNamed)
    {
        (FailedDeliveries failed, Subscription subscription) = Failing(AmqpFailurePolicy.Retry(2,
            TimeSpan.FromMinutes(1)), timeout: null, isExclusive: !serverNamed);
        AmqpDelivery delivery = Delivery(age: 0, serverNamed ? "amq.gen-1" : "work");

        Assert.Equal((null, new Held(TimeSpan.FromMinutes(1), Again: true)), Fail());
        Assert.Equal((null, new Held(TimeSpan.FromMinutes(1), Again: true)), Fail());
        Assert.Equal((AmqpSettlement.Reject, null), Fail());
        Assert.Empty(_client.Published);
        Assert.Equal(2, delivery.PreviousAttempts);

        (AmqpSettlement?, Held?) Fail()
            => failed.Fail(subscription, delivery, new InvalidOperationException("broken"));
    }

    [Theory]
    [InlineData(2.9, false)]
    [InlineData(3.1, true)] // and 12, for it is jittered, are past half of RabbitMQ's 30
    public void What_can_only_wait_here_is_not_tried_again_past_half_the_brokers_time_out(double age, bool ends)
    {
        (FailedDeliveries failed, Subscription subscription) = Failing(AmqpFailurePolicy.Retry(5,
            TimeSpan.FromMinutes(10)), timeout: null, isExclusive: true);
        AmqpDelivery delivery = Delivery(age);

        (AmqpSettlement? settlement, Held? held) = failed.Fail(subscription, delivery,
            new InvalidOperationException("broken"));

        Assert.Equal((ends ? AmqpSettlement.Reject : null, !ends), (settlement, held is not null));
        Assert.Equal(ends ? "its handler failed with InvalidOperationException, and the broker's consumer time-out "
            + "ends before the next attempt" : null, delivery.RejectedOver);
    }

    [Theory]
    [InlineData(8.9, false)]
    [InlineData(9.1, true)] // and one more is past 10
    public async Task What_the_dead_queue_does_not_take_returns_to_its_queue_every_ten_minutes_at_most(double age,
        bool returns)
    {
        _client.Behave = (entry, _) => entry.StartsWith("publish", StringComparison.Ordinal)
            ? Task.FromException(new AmqpNackedException("full")) : Task.CompletedTask;
        (FailedDeliveries failed, Subscription subscription) = Failing(AmqpFailurePolicy.Default, timeout: null);

        Held held = (await failed.End(subscription, Delivery(age)).Item2!.Value.Move!)!.Value;

        Assert.Equal(returns ? new Held(TimeSpan.FromMilliseconds(37.5)) : new Held(TimeSpan.FromMinutes(1),
            Again: true), held);
        Assert.Empty(_settled); // the pump returns it after that time
        Assert.Equal("queue 'work.dead' took nothing: full", subscription.DeadLetterError);
        Assert.Contains(returns ? "it returns to its queue" : "next try in 60",
            Assert.Single(_log.Lines, line => line.Id == 307).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void What_comes_again_a_little_early_as_timers_end_early_is_held_twice_as_long_all_the_same()
    {
        var time = new FakeTimeProvider();
        var book = new FailureBook(() => 0);
        AmqpDelivery delivery = Delivery(age: 0);
        TimeSpan first = book.NextHold(delivery, time);
        time.Advance(first - TimeSpan.FromMilliseconds(12));
        Assert.Equal(first * 2, book.NextHold(delivery, time));
        time.Advance(first);
        Assert.Equal(first * 2, book.NextHold(delivery, time)); // another message of the same content
    }

    private (FailedDeliveries, Subscription) Failing(AmqpFailurePolicy policy, double? timeout,
        bool isExclusive = false)
    {
        var queue = new AmqpQueue
        {
            Name = "work",
            Exclusive = isExclusive,
            Arguments = timeout is { } minutes ? new Dictionary<string, object?>
            { ["x-consumer-timeout"] = (long)TimeSpan.FromMinutes(minutes).TotalMilliseconds } : null,
        };
        return (new FailedDeliveries(new HandlerSurroundings(_client,
                new ClientEvents(_log, "test", TimeProvider.System), Observer: null!, () => false, _ => queue,
                () => 0.5)),
            new Subscription("work", new AmqpConsumerOptions { OnFailure = policy }, ActorBench.NoThread,
                _ => ActorBench.NoPump));
    }

    private AmqpDelivery Delivery(double age, string queue = "work") => new(AmqpMessage.ToQueue(queue, new byte[1]),
        queue, 1,
        redelivered: false, 1, (_, settlement) =>
        {
            _settled.Add(settlement);
            return true;
        }, CancellationToken.None)
    { ReceivedAt = ActorBench.NoThread.Clock.Now - TimeSpan.FromMinutes(age).Ticks };
}
