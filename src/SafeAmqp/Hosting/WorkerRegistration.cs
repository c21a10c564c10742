using Microsoft.Extensions.DependencyInjection;

namespace SafeAmqp.Hosting;

/// <summary>A consumer or a server that the host starts and stops.</summary>
/// <param name="What">How log lines and health data name it.</param>
/// <param name="StartAsync">Starts it.</param>
/// <param name="Probe">Makes its handler once, so that a service missing in its constructor stops the host's start; at run time every
/// delivery would fail over it and be requeued without end.</param>
internal sealed record WorkerRegistration(
    string What,
    Func<IServiceScopeFactory, IAmqpClient, CancellationToken, ValueTask<AmqpSubscription>> StartAsync,
    Action<IServiceProvider>? Probe = null)
{
    internal static WorkerRegistration Consumer(string queue, AmqpConsumerOptions? options,
        Func<IServiceProvider, AmqpDelivery, CancellationToken, ValueTask<AmqpSettlement>> handler, Action<IServiceProvider>? probe = null)
        => new($"consumer of queue '{queue}'", (scopes, client, stop) => client.ConsumeAsync(queue,
            (delivery, lost) => InScopeAsync(scopes, handler, delivery, lost), options, stop), probe);

    internal static WorkerRegistration Server(string queue, AmqpServeOptions? options,
        Func<IServiceProvider, AmqpDelivery, CancellationToken, ValueTask<AmqpMessage>> handler, Action<IServiceProvider>? probe = null)
        => new($"server of queue '{queue}'", (scopes, client, stop) => client.ServeAsync(queue,
            (request, abandoned) => InScopeAsync(scopes, handler, request, abandoned), options, stop), probe);

    // The scope ends before the delivery is settled: what its services write when they are disposed counts as part of the work.
    private static async ValueTask<TResult> InScopeAsync<TResult>(IServiceScopeFactory scopes,
        Func<IServiceProvider, AmqpDelivery, CancellationToken, ValueTask<TResult>> handler, AmqpDelivery delivery, CancellationToken cancellationToken)
    {
        var scope = scopes.CreateAsyncScope();
        await using var _ = scope.ConfigureAwait(false);
        return await handler(scope.ServiceProvider, delivery, cancellationToken).ConfigureAwait(false);
    }
}
