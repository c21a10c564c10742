using SafeAmqp.Actor;
using SafeAmqp.Consuming;
using SafeAmqp.Links;
using SafeAmqp.Topology;

namespace SafeAmqp;

public sealed partial class AmqpClient
{
    private readonly Administration _admin;

    /// <inheritdoc/>
    public IAmqpAdmin Admin => _admin;

    /// <inheritdoc/>
    public Task DeclareAsync(AmqpTopology topology, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(topology);
        Start();
        return AskAsync(topology.Items, cancellationToken);
    }

    /// <inheritdoc/>
    public Task DeleteAsync(AmqpTopology topology, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(topology);
        Start();
        return AskAsync([.. topology.Items.Reverse().Select(item => new AdminRequest.Deletion(item))],
            cancellationToken);
    }

    private async Task AskAsync(IReadOnlyList<AdminRequest> requests, CancellationToken cancellationToken)
    {
        var (shared, exclusive) = _topology.Split(requests);
        if (_send == _receive)
            (shared, exclusive) = ([.. requests], []);
        _topology.Begin(shared);
        _topology.Begin(exclusive);
        try
        {
            if (shared.Count > 0)
                await AskOnAsync(_send, shared, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            _topology.End(exclusive); // which is not declared then
            throw;
        }
        if (exclusive.Count > 0)
            await AskOnAsync(_receive, exclusive, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>What will be declared: publishes that it could route wait for it.</summary>
    /// <returns>To be called when it is being declared.</returns>
    internal Action Expect(AmqpTopology topology)
    {
        TopologyItem[] items = [.. topology.Items];
        _topology.Begin(items);
        return () => _topology.End(items);
    }

    private async Task AskOnAsync(ClientLink link, IReadOnlyList<AdminRequest> requests,
        CancellationToken cancellationToken)
    {
        var job = new AdminJob(requests, _clock.In(_options.OperationTimeout));
        link.Thread.PostOrAbandon(job);
        try
        {
            await OrGiveUpAsync(job.Completion.Task.AsTask(), "The declaration was given up",
                cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            if (job.Completion.HasEnded)
                _topology.End(requests); // also where its link was gone
        }
    }

    private sealed class Administration(AmqpClient client) : IAmqpAdmin
    {
        private static readonly TimeSpan LookAgain = TimeSpan.FromSeconds(1);

        public async Task<AmqpQueueCounts> CountAsync(string queue, CancellationToken cancellationToken)
        {
            AmqpQueueCounts counts = await AskAsync(queue, purges: false, cancellationToken).ConfigureAwait(false);
            client._topology.Touched(queue);
            return counts;
        }

        public async Task<long> PurgeAsync(string queue, CancellationToken cancellationToken)
        {
            CheckNoStream(queue, "whose messages go by its limits only");
            return (await AskAsync(queue, purges: true, cancellationToken).ConfigureAwait(false)).Messages;
        }

        public async Task<AmqpDelivery?> GetAsync(string queue, CancellationToken cancellationToken)
        {
            CheckNoStream(queue, "which is read by a consumer only");
            client.Start();
            var job = new GetJob.Begin(queue, client._clock.In(client._options.OperationTimeout), Settle);
            client._receive.Thread.PostOrAbandon(job);
            Task<AmqpDelivery?> got = job.Completion.Task.AsTask();
            try
            {
                await client.OrGiveUpAsync(got, $"Getting a message of queue '{queue}' was given up",
                    cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException left) when (job.Completion.TryFail(left))
            {
                client._receive.Thread.Post(new GetJob.GiveUp(job)); // a message that comes goes back
                throw;
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                // It came at the same time
            }
            AmqpDelivery? delivery = await got.ConfigureAwait(false);
            client._topology.Touched(queue);
            return delivery;
        }

        // The broker would close the connection over it.
        private void CheckNoStream(string queue, string why)
        {
            Check.Name(queue, nameof(queue));
            if (client._topology.QueueNamed(queue) is { IsStream: true })
                throw new ArgumentException($"Queue '{queue}' is a stream, {why}.", nameof(queue));
        }

        private bool Settle(GetChannel from, AmqpDelivery delivery, AmqpSettlement settlement)
        {
            if (settlement == AmqpSettlement.Reject && !delivery.Lost.IsCancellationRequested)
                client._rejections.Report(delivery);
            return client._receive.Thread.Post(new GetJob.Settle(from, delivery, settlement))
                && !delivery.Lost.IsCancellationRequested;
        }

        // Declared passively it is not this client's to take away with others, but here it is named.
        public Task DeleteQueueAsync(string queue, CancellationToken cancellationToken)
        {
            AmqpQueue known = client._topology.QueueNamed(queue) ?? new AmqpQueue { Name = queue };
            return client.DeleteAsync(new AmqpTopology().With(known with { Passive = false }), cancellationToken);
        }

        public Task DeleteExchangeAsync(string exchange, CancellationToken cancellationToken)
            => client.DeleteAsync(new AmqpTopology().With(new AmqpExchange { Name = exchange }),
                cancellationToken);

        public Task UnbindAsync(AmqpBinding binding, CancellationToken cancellationToken)
            => client.DeleteAsync(new AmqpTopology().With(binding), cancellationToken);

        public async Task<long> ReturnDeadAsync(string queue, CancellationToken cancellationToken)
        {
            Check.Name(queue, nameof(queue));
            string dead = AmqpFailurePolicy.DeadQueueOf(queue);
            long left;
            try
            {
                left = (await CountAsync(dead, cancellationToken).ConfigureAwait(false)).Messages;
            }
            catch (AmqpTopologyException missing) when (missing.ReplyCode == 404)
            {
                return 0;
            }
            return left == 0 ? 0 : await MoveBackAsync(queue, dead, left, cancellationToken).ConfigureAwait(false);
        }

        // One after the other, so that they come back in their order.
        private async Task<long> MoveBackAsync(string queue, string dead, long most,
            CancellationToken cancellationToken)
        {
            long moved = 0;
            var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            AmqpSubscription moving = await client.ConsumeAsync(dead, async (delivery, _) =>
            {
                if (done.Task.IsCompleted || delivery.Stopping.IsCancellationRequested)
                    return AmqpSettlement.Requeue;
                try
                {
                    await client.PublishAsync(RetryHeaders.ForMove(delivery, queue, to: queue, attempts: 0),
                        CancellationToken.None).ConfigureAwait(false);
                }
                catch (AmqpException error)
                {
                    done.TrySetException(error);
                    return AmqpSettlement.Requeue;
                }
                delivery.Settle(AmqpSettlement.Ack);
                if (Interlocked.Increment(ref moved) == most)
                    done.TrySetResult();
                return AmqpSettlement.Ack;
            }, new AmqpConsumerOptions { OnFailure = AmqpFailurePolicy.Requeue }, DeliveryUse.Move, cancellationToken)
                .ConfigureAwait(false);
            await using (moving.ConfigureAwait(false))
            {
                Task end = Task.WhenAny(done.Task, moving.Completion).Unwrap();
                end.Forget(); // it may end when no caller waits for it any more
                // What another consumer has taken does not come: then it is empty before all were moved
                for (long before = -1; ; before = Volatile.Read(ref moved))
                {
                    try
                    {
                        await end.WaitOrLeaveAsync(LookAgain, client._options.TimeProvider, cancellationToken)
                            .ConfigureAwait(false);
                        ObjectDisposedException.ThrowIf(!done.Task.IsCompleted, client);
                        return moved;
                    }
                    catch (TimeoutException)
                    {
                        AmqpQueueCounts rest = await CountAsync(dead, cancellationToken).ConfigureAwait(false);
                        if (rest.Messages == 0 && moving.Unsettled == 0 && before == Volatile.Read(ref moved))
                            return before;
                    }
                }
            }
        }

        private async Task<AmqpQueueCounts> AskAsync(string queue, bool purges, CancellationToken cancellationToken)
        {
            Check.Name(queue, nameof(queue));
            client.Start();
            var contents = new AdminRequest.Contents(queue, purges);
            await client.AskAsync([contents], cancellationToken).ConfigureAwait(false);
            return contents.Counts;
        }
    }
}
