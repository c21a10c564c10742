using System.Collections.Concurrent;

namespace SafeAmqp.IntegrationTests.Recovery;

public sealed class StateChangedTests(TestBroker broker) : FeatureTest(broker)
{
    [Theory, MemberData(nameof(Layouts))]
    public async Task Each_change_of_a_link_is_told_in_order_off_its_thread_whatever_handlers_throw(
        AmqpConnectionLayout layout)
    {
        FrameRelay relay = NewRelay();
        using var log = new CapturedLines();
        AmqpClient amqp = Own(new AmqpClient(new AmqpClientOptions
        {
            Uri = relay.Uri,
            Layout = layout,
            LoggerFactory = log,
        }));
        var changes = new ConcurrentQueue<AmqpStateChangedEventArgs>();
        var onPool = new ConcurrentBag<bool>();
        amqp.StateChanged += (_, _) => throw new InvalidOperationException("a handler's own");
        amqp.StateChanged += (sender, change) =>
        {
            Assert.Same(amqp, sender);
            onPool.Add(Thread.CurrentThread.IsThreadPoolThread);
            _ = amqp.Status; // the client may be asked
            changes.Enqueue(change);
        };
        await amqp.OpenAsync(Cancelled);
        int epoch = amqp.Status.Links[^1].Epoch;
        relay.Cut();
        await UntilAsync(() => amqp.Status.Links.All(link => link.Epoch > epoch && link.State == AmqpLinkState.Open));
        await amqp.DisposeAsync();
        int links = layout == AmqpConnectionLayout.Separate ? 2 : 1;
        await UntilAsync(() => changes.Count(change => change.To == AmqpLinkState.Closed) == links);

        foreach (var link in changes.GroupBy(change => change.Link))
        {
            Assert.Equal(AmqpLinkState.Idle, link.First().From);
            Assert.All(link.Zip(link.Skip(1)), pair => Assert.Equal(pair.First.To, pair.Second.From));
            Assert.Equal(2, link.Count(change => change.To == AmqpLinkState.Open));
            Assert.NotNull(Assert.Single(link,
                change => change is { From: AmqpLinkState.Open, To: AmqpLinkState.Waiting }).Reason);
        }
        Assert.Equal(links, changes.Select(change => change.Link).Distinct().Count());
        Assert.DoesNotContain(false, onPool);
        Assert.Equal(changes.Count,
            log.Lines.Count(line => line.StartsWith("Warning 115 ", StringComparison.Ordinal)));
    }
}
