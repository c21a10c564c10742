// Every wait here is bounded by itself.
#pragma warning disable xUnit1051
using Microsoft.Extensions.Logging.Abstractions;
using SafeAmqp.Actor;
using SafeAmqp.Broker;
using SafeAmqp.Consuming;
using SafeAmqp.Links;
using SafeAmqp.Owner;
using SafeAmqp.Publishing;
using SafeAmqp.Telemetry;
using SafeAmqp.Tests.Actor;
using SafeAmqp.Topology;

namespace SafeAmqp.Tests.Owner;

/// <summary>
/// Two threads or more, released by a barrier into the spots that no lock guards: whichever comes first, each operation
/// ends once and truly.
/// </summary>
public sealed class BoundaryRaceTests
{
    private static readonly TimeSpan Long = TimeSpan.FromSeconds(20);

    [Fact]
    public void Of_a_completion_and_a_failure_at_once_one_wins_and_is_what_the_caller_sees()
    {
        var completion = new Completion<int>();
        bool completed = false, failed = false;
        int completions = 0;
        AtOnce(20_000, round => completion = new Completion<int>(), [() => completed = completion.TryComplete(1), () =>
            failed = completion.TryFail(new InvalidOperationException())], round =>
        {
            Assert.True(completed ^ failed, $"round {round}: {completed} and {failed}");
            Assert.True(completion.Task.IsCompleted);
            Assert.Equal(completed, completion.Task.IsCompletedSuccessfully);
            completions += completed ? 1 : 0;
        });
        Assert.InRange(completions, 1, 19_999); // else they never met
    }

    [Fact]
    public void Of_two_settlements_at_once_one_is_posted()
    {
        var settler = new CountingSettler();
        AmqpDelivery delivery = null!;
        AmqpSettleResult first = default, second = default;
        AtOnce(20_000,
            round => delivery = new AmqpDelivery(new AmqpMessage(), "work", 1, false, 1, settler.Settle, default),
            [() => first = delivery.Settle(AmqpSettlement.Ack), () => second = delivery.Settle(AmqpSettlement.Reject)],
            round =>
            {
                Assert.True(first == AmqpSettleResult.Settled ^ second == AmqpSettleResult.Settled, $"round {round}");
                Assert.Equal(round + 1, settler.Count);
            });
    }

    [Fact]
    public void Sent_cancelled_answered_and_disposed_at_once_a_publish_ends_once_and_truly_and_its_credit_is_back()
    {
        Round current = null!;
        var ends = new Dictionary<string, int>();
        AtOnce(1_500, round => current = new Round(),
            [() => current.Send(), () => current.Cancel(), () => current.Close()], round =>
        {
            string end = current.End();
            ends[end] = ends.GetValueOrDefault(end) + 1;
        });
        Assert.True(ends.Count >= 2, string.Join(", ", ends)); // else nothing met
    }

    // A thread each for the whole test, as starting threads would keep them apart.
    private static void AtOnce(int rounds, Action<int> before, Action[] actions, Action<int> after)
    {
        using var barrier = new Barrier(actions.Length + 1);
        Thread[] threads = [.. actions.Select(action => new Thread(() =>
        {
            for (int round = 0; round < rounds; round++)
            {
                barrier.SignalAndWait();
                action();
                barrier.SignalAndWait();
            }
        }) { IsBackground = true })];
        foreach (Thread thread in threads)
            thread.Start();
        for (int round = 0; round < rounds; round++)
        {
            before(round);
            barrier.SignalAndWait();
            Assert.True(barrier.SignalAndWait(Long), $"round {round} does not end");
            after(round);
        }
    }

    private sealed class CountingSettler
    {
        private int _count;

        internal int Count => Volatile.Read(ref _count);

        public bool Settle(AmqpDelivery delivery, AmqpSettlement settlement)
        {
            Interlocked.Increment(ref _count);
            return true;
        }
    }

    /// <summary>A thread with its actor, open, over a link that answers from the pool.</summary>
    private sealed class Round
    {
        private readonly Credit _credit = new(10, 1_000);
        private readonly AnsweringLink _link;
        private readonly IoThread _thread;
        private readonly PublishJob _job;
        private readonly Completion<bool> _closed = new();

        internal Round()
        {
            var events = new LinkEvents(NullLogger.Instance, "test", "race");
            _thread = new IoThread("race", new MonotonicClock(TimeProvider.System), events, _ => ActorTime.Never);
            _link = new AnsweringLink(_thread);
            _thread.Actor = new LinkActor(new ActorSettings { Name = "race" }, _link, new TopologyLedger(), events,
                () => 0.5, () => new AmqpClientStatus([]));
            var open = new Completion<bool>();
            _thread.Post(new ActorCommand.Start());
            _thread.Post(new ActorCommand.WaitOpen(FailFast: false, open));
            _thread.Start();
            Wait(open.Task.AsTask());
            Assert.True(_credit.TryTake(1));
            long now = _thread.Clock.Now;
            _job = new PublishJob(new AmqpMessage { Body = new byte[1] }, now, now + Long.Ticks, _credit);
        }

        internal void Send() => _thread.PostOrAbandon(_job);

        internal void Cancel() => _thread.Post(new CancelJob(_job));

        internal void Close()
            => _thread.PostOrAbandon(new ActorCommand.Close(_thread.Clock.In(TimeSpan.FromSeconds(5)), _closed));

        internal string End()
        {
            Wait(_closed.Task.AsTask());
            Exception? error = Record.Exception(() => Wait(_job.Task.AsTask()));
            Assert.Equal((0, 0L), (_credit.Messages, _credit.Bytes));
            string end = error?.GetType().Name ?? "Confirmed";
            switch (error)
            {
                case null:
                    Assert.Equal(1, _link.Published);
                    break;
                case OperationCanceledException or ObjectDisposedException or AmqpNotSentException:
                    Assert.Equal(0, _link.Published);
                    break;
                default:
                    Assert.Fail($"it ended {error}");
                    break;
            }
            return end;
        }

        private static void Wait(Task task) => task.WaitAsync(Long).GetAwaiter().GetResult();
    }

    private sealed class AnsweringLink(IoThread thread) : IBrokerLink
    {
        private ulong _sequence;

        internal int Published { get; private set; }

        public string Connect(int epoch, TimeSpan within)
        {
            Answer(new BrokerSignal.Connected(epoch, "race"));
            return "race";
        }

        public void Abandon(int epoch, bool politely)
        {
        }

        public void OpenChannel(int epoch, long incarnation, bool confirms, int prefetch)
            => Answer(new BrokerSignal.ChannelOpened(incarnation));

        public void CloseChannel(long incarnation)
        {
        }

        public PassResult Publish(long incarnation, in Outgoing message, int slot, out string? refusal)
        {
            refusal = null;
            Published++;
            Answer(new BrokerSignal.Acked(incarnation, ++_sequence, Multiple: false));
            return PassResult.Passed;
        }

        public void Settle(long incarnation, ulong tag, bool multiple, AmqpSettlement settlement)
            => throw new NotSupportedException();

        public void Flush()
        {
        }

        public void Get(long incarnation, string queue) => throw new NotSupportedException();

        public void Ask(long incarnation, AdminRequest request) => throw new NotSupportedException();

        public void Consume(long incarnation, ConsumeRequest request) => throw new NotSupportedException();

        public void CancelConsumer(long incarnation) => throw new NotSupportedException();

        public void Confirm(long incarnation) => throw new NotSupportedException();

        public LinkTraffic Traffic(int epoch) => default;

        private void Answer(BrokerSignal signal) => ThreadPool.UnsafeQueueUserWorkItem(
            static state => state.thread.Post(state.signal), (thread, signal), preferLocal: false);
    }
}
