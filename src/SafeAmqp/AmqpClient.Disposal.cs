using SafeAmqp.Actor;
using SafeAmqp.Consuming;
using SafeAmqp.Links;

namespace SafeAmqp;

public sealed partial class AmqpClient
{
    private readonly Lock _disposalGate = new();
    private readonly Lock _consumersGate = new();
    private Task? _disposal;
    private bool _consumersEnd; // under the gate: from then on there are no further ones
    private volatile bool _refusing;

    /// <summary>Whether disposal has got to the point from which nothing new is taken.</summary>
    internal bool IsDisposed => _refusing;

    /// <summary>Ends the client within <see cref="AmqpClientOptions.ShutdownTimeout"/> and a little more, in phases:
    /// consumers take nothing new and their running handlers end, still able to publish; then nothing new is taken and
    /// what was sent gets its answer; then the connections close. What could not end says so: <em>not sent</em> or
    /// <em>unknown</em>. May be called from anywhere, any number of times.</summary>
    /// <returns>A task that completes when the client has.</returns>
    public ValueTask DisposeAsync()
    {
        lock (_consumersGate)
            _consumersEnd = true;
        foreach (Subscription subscription in _subscriptions.Keys)
            DeliveryPump.DoNotWaitForCaller(subscription.Pump);
        lock (_disposalGate)
            _disposal ??= DisposeOnceAsync().Shared();
        return new ValueTask(_disposal);
    }

    private async Task DisposeOnceAsync()
    {
        long deadline = _clock.In(_options.ShutdownTimeout);
        if (Volatile.Read(ref _started) != 0 && !_subscriptions.IsEmpty)
        {
            var stopped = Task.WhenAll(_subscriptions.Keys.Select(subscription => subscription.StopAsync().AsTask()));
            await Within(stopped, deadline).ConfigureAwait(false);
        }
        _refusing = true;
        _credit.Close();
        _callSlots.Close();
        foreach (ClientLink link in _links)
            link.Thread.Start(); // one that never started has to end what was posted to it
        await Task.WhenAll(_links.Select(link => CloseAsync(link, deadline))).ConfigureAwait(false);
    }

    private async Task CloseAsync(ClientLink link, long deadline)
    {
        var closed = new Completion<bool>();
        link.Thread.PostOrAbandon(new ActorCommand.Close(Math.Max(deadline, _clock.Now), closed));
        await closed.Task.ConfigureAwait(false);
        await link.Teardown.ConfigureAwait(false); // bounded by itself
        link.Metrics.Hide();
    }

    private async Task Within(Task task, long deadline)
    {
        try
        {
            long left = Math.Max(0, deadline - _clock.Now);
            await task.WaitOrLeaveAsync(TimeSpan.FromTicks(left), _options.TimeProvider).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // What still runs loses its delivery when the link closes; its token says so.
        }
    }
}
