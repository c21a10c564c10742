using System.Runtime.CompilerServices;

namespace SafeAmqp.IntegrationTests.Support;

/// <summary>
/// What tests with faults need beside: faults that end with the test, ends of operations as values, a reader of all
/// messages.
/// </summary>
public abstract class FaultTest(TestBroker broker) : BrokerTest(broker)
{
    /// <summary>What a completion may be late by on a busy machine, beyond the 250 ms that are promised.</summary>
    protected static readonly TimeSpan Margin = TimeSpan.FromMilliseconds(250 + 750);

    private readonly Stack<Func<Task>> _undo = [];

    protected static string LinkThatSends(AmqpConnectionLayout layout)
        => layout == AmqpConnectionLayout.Shared ? "shared" : "send";

    public override async ValueTask DisposeAsync()
    {
        while (_undo.TryPop(out Func<Task>? undo))
            await undo();
        await base.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>Does something at the end of the test, however it ends; the last first.</summary>
    protected void AtTheEnd(Func<Task> undo) => _undo.Push(undo);

    /// <summary>
    /// Does something to the broker at the end of the test. Where no broker can be controlled the test ends here, as
    /// skipped, before there is something to undo.
    /// </summary>
    protected void AtTheEnd(Func<ControlledBroker, Task> undo)
    {
        ControlledBroker node = Broker.Node;
        AtTheEnd(() => undo(node));
    }

    private protected FaultProxy NewProxy()
    {
        var proxy = new FaultProxy(Broker.Node.Port);
        AtTheEnd(async () => await proxy.DisposeAsync());
        return proxy;
    }

    protected async Task PauseBrokerAsync()
    {
        AtTheEnd(node => node.ResumeAsync());
        await Broker.Node.PauseAsync(Cancelled);
    }

    protected async Task RaiseAlarmAsync()
    {
        AtTheEnd(node => node.SetMemoryAlarmAsync(false));
        await Broker.Node.SetMemoryAlarmAsync(true, Cancelled);
    }

    /// <summary>
    /// Raises the alarm and publishes, to no queue, until the broker has told this client that it blocks it.
    /// </summary>
    /// <returns>The publish that found out: it was sent, and is answered when the alarm is over, or is done.</returns>
    protected async Task<Task> BlockAsync(AmqpClient client)
    {
        await RaiseAlarmAsync();
        while (true)
        {
            // The alarm takes a moment to reach the connection, which tells of it at the next publish only.
            using var late = new CancellationTokenSource();
            Task found = client.PublishAsync(
                AmqpMessage.ToQueue("nowhere", []) with { Mandatory = false }, late.Token).AsTask();
            await UntilAsync(() => found.IsCompleted || client.Status.Links[0] is { BlockedReason: not null }
                and ({ QueuedMessages: > 0 } or { UnconfirmedMessages: > 0 }));
            // The one before it may have brought the news: then this one has not left, and is not waited for.
            if (!found.IsCompleted && client.Status.Links[0].QueuedMessages > 0)
            {
                await late.CancelAsync();
                await EndOf(new ValueTask(found));
                return Task.CompletedTask;
            }
            if (client.Status.Links[0].BlockedReason is not null)
                return found;
            await found;
        }
    }

    /// <summary>How something ended: null when it went well.</summary>
    protected static async Task<Exception?> EndOf(ValueTask operation)
    {
        try
        {
            await operation.ConfigureAwait(false);
            return null;
        }
        catch (Exception error)
        {
            return error;
        }
    }

    protected static Task<Exception?> EndOf(Task operation) => EndOf(new ValueTask(operation));

    /// <summary>How an operation ended, and how long it took.</summary>
    protected static Task<(Exception? Error, TimeSpan Took)> TimedEndOf(Func<ValueTask> operation)
        => TimedEndOf(() => operation().AsTask());

    /// <inheritdoc cref="TimedEndOf(Func{ValueTask})"/>
    protected static async Task<(Exception? Error, TimeSpan Took)> TimedEndOf(Func<Task> operation)
    {
        long start = TimeProvider.System.GetTimestamp();
        Exception? error = null;
        try
        {
            await operation().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            error = e;
        }
        return (error, TimeProvider.System.GetElapsedTime(start));
    }

    /// <summary>Takes all messages out of a queue that holds so many.</summary>
    protected static async Task<IReadOnlyList<AmqpDelivery>> TakeAsync(
        AmqpClient client, string queue, int count, int prefetch = 100)
    {
        var taken = new List<AmqpDelivery>();
        if (count == 0)
            return taken;
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Cancelled);
        limit.CancelAfter(TimeSpan.FromSeconds(60));
        await foreach (AmqpDelivery delivery in client.ReadAllAsync(
            queue, new AmqpConsumerOptions { Prefetch = prefetch }, limit.Token))
        {
            taken.Add(delivery);
            delivery.Settle(AmqpSettlement.Ack);
            if (taken.Count == count)
                break;
        }
        return taken;
    }

    /// <summary>
    /// Consumes a queue into a history until a last message, which is sent by <see cref="DrainAsync"/>.
    /// </summary>
    private protected static async Task<TaskCompletionSource> RecordAsync(
        AmqpClient client, string queue, History history, int prefetch = 500)
    {
        var last = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await client.ConsumeAsync(queue, (delivery, _) =>
        {
            if (delivery.Message.Type == "last")
                last.TrySetResult();
            else
                history.Delivered(delivery);
            return new ValueTask<AmqpSettlement>(AmqpSettlement.Ack);
        }, new AmqpConsumerOptions { Prefetch = prefetch }, Cancelled);
        return last;
    }

    /// <summary>Publishes a last message behind all others and waits until it was received.</summary>
    protected static async Task DrainAsync(
        AmqpClient client, string queue, TaskCompletionSource last, TimeSpan? limit = null)
    {
        ArgumentNullException.ThrowIfNull(client);
        ArgumentNullException.ThrowIfNull(last);
        while (await EndOf(
            client.PublishAsync(AmqpMessage.ToQueue(queue, []) with { Type = "last" }, Cancelled)) is { } error)
            Assert.IsType<AmqpUnknownOutcomeException>(error);
        await last.Task.WaitAsync(limit ?? Limit, Cancelled);
    }

    /// <summary>How many messages a queue holds, by the broker's own count; -1 when there is no such queue.</summary>
    protected Task<int> MessagesInAsync(string queue) => Broker.Node.MessagesInAsync(queue, Cancelled);

    protected static async Task<TimeSpan> UntilTimedAsync(
        Func<bool> condition, [CallerArgumentExpression(nameof(condition))] string what = "")
    {
        long start = TimeProvider.System.GetTimestamp();
        await UntilAsync(condition, what);
        return TimeProvider.System.GetElapsedTime(start);
    }
}
