using SafeAmqp;
using Xunit;

namespace RecipeWorkers.Tests;

// What users' own tests need: this project sees nothing of SafeAmqp that is not public.
public sealed class FakedClientTests
{
    [Fact]
    public async Task A_handler_is_tested_with_a_delivery_that_the_test_made()
    {
        var delivery = new AmqpDelivery(AmqpMessage.ToQueue("orders", "{"u8.ToArray()) with { MessageId = "7" },
            "orders", isRedelivered: true);

        Assert.Equal(AmqpSettlement.Reject, await HandleAsync(delivery, delivery.Lost));
        Assert.Equal(("orders", true, "7", (AmqpSettlement?)null), (delivery.Queue, delivery.IsRedelivered,
            delivery.Message.MessageId, delivery.Settlement));
        Assert.Equal(AmqpSettleResult.Settled, delivery.Settle(AmqpSettlement.Reject));
        Assert.Equal(AmqpSettleResult.AlreadySettled, delivery.Settle(AmqpSettlement.Ack));
        Assert.Equal(AmqpSettlement.Reject, delivery.Settlement);

        using var lost = new CancellationTokenSource();
        var stale = new AmqpDelivery(new AmqpMessage(), lost: lost.Token);
        await lost.CancelAsync();
        Assert.Equal(AmqpSettleResult.Stale, stale.Settle(AmqpSettlement.Ack));

        static ValueTask<AmqpSettlement> HandleAsync(AmqpDelivery delivery, CancellationToken lost)
            => new(delivery.Body.Span[0] == '{' && delivery.Body.Length == 1 ? AmqpSettlement.Reject
                : AmqpSettlement.Ack);
    }

    [Fact]
    public async Task A_delivery_that_seems_to_stop_says_so()
    {
        using var stopping = new CancellationTokenSource();
        var delivery = new AmqpDelivery(new AmqpMessage(), stopping: stopping.Token);
        Assert.False(delivery.Stopping.IsCancellationRequested);
        var stopped = new TaskCompletionSource();
        using var registered = delivery.Stopping.Register(() => stopped.SetResult());

        await stopping.CancelAsync();

        await stopped.Task.WaitAsync(TimeSpan.FromSeconds(10), TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task A_faked_client_does_and_throws_what_the_test_wants()
    {
        var client = new FakedClient();
        AmqpSubscription subscription = await client.ConsumeAsync("orders", (_, _) => new(AmqpSettlement.Ack),
            cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(("orders", AmqpConsumerState.Live), (subscription.Queue, subscription.State));

        foreach (AmqpException error in (AmqpException[])[new AmqpReturnedException("a"), new AmqpNackedException("a"),
            new AmqpRefusedException("a"), new AmqpNotSentException("a"), new AmqpUnknownOutcomeException("a"),
            new AmqpNoReplyException("a", AmqpOutcome.Confirmed), new AmqpRemoteException("a", "T"),
            new AmqpTopologyException("a", "queue 'a'"), new AmqpPoisonException("a", "q"),
            new AmqpConnectException("a", isRefused: true), new AmqpUnreadableException("a")])
        {
            client.Fails = error;
            Assert.Same(error, await Assert.ThrowsAnyAsync<AmqpException>(
                async () => await client.PublishAsync(new AmqpMessage(), TestContext.Current.CancellationToken)));
        }
        Assert.False(new AmqpUnknownOutcomeException("a").IsSafeToRepeat);
        Assert.True(new AmqpNotSentException("a").IsSafeToRepeat);

        await subscription.StopAsync(TestContext.Current.CancellationToken);
        Assert.Equal(("stopped", AmqpConsumerState.Stopped), (client.Last, subscription.State));
        await subscription.Completion;
    }

    private sealed class FakedClient : IAmqpClient
    {
        internal AmqpException? Fails { get; set; }

        internal string? Last { get; private set; }

        public event EventHandler<AmqpStateChangedEventArgs>? StateChanged { add { } remove { } }

        public AmqpClientStatus Status => new([]);

        public IAmqpAdmin Admin => throw new NotSupportedException();

        public ValueTask PublishAsync(AmqpMessage message, CancellationToken cancellationToken = default)
            => Fails is null ? ValueTask.CompletedTask : ValueTask.FromException(Fails);

        public ValueTask PublishAsync(AmqpMessage message, TimeSpan timeout,
            CancellationToken cancellationToken = default) => PublishAsync(message, cancellationToken);

        public Task<IReadOnlyList<AmqpPublishResult>> PublishAllAsync(IReadOnlyList<AmqpMessage> messages,
            CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public ValueTask PostAsync(AmqpMessage message, CancellationToken cancellationToken = default)
            => throw new NotSupportedException();

        public Task<AmqpSubscription> ConsumeAsync(string queue, AmqpHandler handler,
            AmqpConsumerOptions? options = null, CancellationToken cancellationToken = default)
            => Task.FromResult(new AmqpSubscription(queue, () =>
            {
                Last = "stopped";
                return Task.CompletedTask;
            }));

        public IAsyncEnumerable<AmqpDelivery> ReadAllAsync(string queue, AmqpConsumerOptions? options = null,
            CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public ValueTask<AmqpReply> CallAsync(AmqpMessage request, AmqpCallOptions? options = null,
            CancellationToken cancellationToken = default) => new(new AmqpReply(request, TimeSpan.Zero));

        public Task<AmqpSubscription> ServeAsync(string queue, AmqpRequestHandler handler,
            AmqpServeOptions? options = null, CancellationToken cancellationToken = default)
            => throw new NotSupportedException();

        public IAsyncEnumerable<AmqpReply> CallManyAsync(AmqpMessage request, AmqpCallManyOptions? options = null,
            CancellationToken cancellationToken = default) => throw new NotSupportedException();

        public Task<AmqpSubscription> ServeManyAsync(string queue, AmqpRepliesHandler handler,
            AmqpServeOptions? options = null, CancellationToken cancellationToken = default)
            => throw new NotSupportedException();

        public Task DeclareAsync(AmqpTopology topology, CancellationToken cancellationToken = default)
            => Task.CompletedTask;

        public Task DeleteAsync(AmqpTopology topology, CancellationToken cancellationToken = default)
            => Task.CompletedTask;

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
