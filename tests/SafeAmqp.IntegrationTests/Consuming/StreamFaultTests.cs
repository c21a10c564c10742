using System.Collections.Concurrent;

namespace SafeAmqp.IntegrationTests.Consuming;

/// <summary>The link of a stream's consumer is lost at each step of consuming, several times in a row: it is read on at
/// the first message that was not settled.</summary>
public sealed class StreamFaultTests(TestBroker broker) : FeatureTest(broker)
{
    private const int Cuts = 3, Prefetch = 10, Batch = 3 * Prefetch, MostBatches = 100;

    /// <summary>Class, method and the how-manieth of a connection; before it passes, and behind it.</summary>
    private static readonly Dictionary<string, (int Class, int Method, int Nth)> Steps = new()
    {
        ["reconnect: tune"] = (10, 30, 1),
        ["reconnect: open-ok"] = (10, 41, 1),
        ["channel open-ok"] = (20, 11, 1),
        ["consume"] = (60, 20, 1),
        ["consume-ok"] = (60, 21, 1),
        ["first delivery"] = (60, 60, 1),
        ["mid batch"] = (60, 60, Prefetch / 2),
        ["first ack"] = (60, 80, 1),
        ["third ack"] = (60, 80, 3),
    };

    public static MatrixTheoryData<string, bool> Faults => new([.. Steps.Keys], [false, true]);

    [Theory, MemberData(nameof(Faults))]
    public async Task A_stream_is_read_on_exactly_where_it_was_when_its_link_is_lost_at_any_step(
        string step, bool behind)
    {
        FrameRelay relay = NewRelay();
        AmqpClient publisher = await ConnectAsync(), amqp = await ConnectAsync(options =>
        {
            options.Uri = relay.Uri;
            options.Layout = AmqpConnectionLayout.Shared;
            options.ReconnectDelay = TimeSpan.FromMilliseconds(10);
        });
        string stream = NewName();
        await publisher.DeclareAsync(
            new AmqpTopology().With(new AmqpQueue { Name = stream, Type = AmqpQueueType.Stream }), Cancelled);
        await PublishAsync(publisher, stream, Numbers(Batch));

        (int classId, int methodId, int nth) = Steps[step];
        var seen = new ConcurrentDictionary<int, int>();
        relay.CutAt(method => (method.ClassId, method.MethodId) == (classId, methodId) && relay.Cuts < Cuts
            && seen.AddOrUpdate(method.Connection, 1, (_, count) => count + 1) == nth, behind);

        var handled = new ConcurrentQueue<(long Offset, AmqpSettleResult Result)>();
        await using AmqpSubscription subscription = await InTime(amqp.ConsumeAsync(stream, (delivery, _) =>
        {
            Assert.Equal($"{delivery.StreamOffset}", Text(delivery));
            handled.Enqueue((delivery.StreamOffset!.Value, delivery.Settle(AmqpSettlement.Ack)));
            if (classId < 60 && handled.Count == Batch / 2)
                relay.Cut(); // so that there is something to come back from
            return new ValueTask<AmqpSettlement>(AmqpSettlement.Ack);
        }, new AmqpConsumerOptions { Prefetch = Prefetch, StreamOffset = AmqpStreamOffset.First }, Cancelled));
        int published = Batch;
        for (bool isLast = false; !isLast; published += Batch)
        {
            await UntilAsync(() => handled.Any(one => one.Offset == published - 1));
            Assert.InRange(published, 0, MostBatches * Batch);
            isLast = relay.Cuts == Cuts; // one more, to see that it goes on
            await PublishAsync(publisher, stream, Numbers(published + Batch)[published..]);
        }
        await UntilAsync(() => handled.Any(one => one.Offset == published - 1));

        long next = 0;
        bool mayRepeat = false;
        foreach ((long offset, AmqpSettleResult result) in handled)
        {
            Assert.True(
                offset == next || (mayRepeat && offset == next - 1), $"{step}: {offset} came where {next} was due");
            next = offset + 1;
            mayRepeat = result == AmqpSettleResult.Stale; // the link was gone when it was settled
        }
        Assert.Equal((Cuts, published), (relay.Cuts, (int)next));
    }
}
