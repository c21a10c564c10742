using FederatedLearning.Messages;

namespace FederatedLearning.Protocol;

/// <summary>
/// What every handler does with a body that came from a client: counts it, reads it and gives it to the core.
/// </summary>
/// <param name="federation">The core.</param>
/// <param name="traffic">The handler's counters.</param>
public sealed class ClientInbox(IFederation federation, ProtocolTraffic traffic)
{
    /// <summary>Takes a body; ends when the core has decided about it.</summary>
    /// <param name="json">The body. It is not kept.</param>
    /// <param name="kind"><c>register</c>, <c>update</c> or <c>metrics</c>; null where the body says it itself, in
    /// <c>type</c>.</param>
    /// <param name="owner">The client that alone may speak here; null where the way does not say whose message it
    /// is.</param>
    /// <param name="registering">Enters a client into the handler's table, before the core is told.</param>
    /// <param name="cancellationToken">Ends waiting for the core.</param>
    /// <returns>Why it was refused, for the log; null if it could be read.</returns>
    public async ValueTask<string?> TakeAsync(
        ReadOnlyMemory<byte> json,
        string? kind,
        ClientId? owner,
        Func<ClientId, ValueTask> registering,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(registering);
        traffic.Received(json.Length);
        try
        {
            MessageLimit.Check(json.Length, owner);
            var message = ClientJson.Read(json.Span, kind, owner);
            await TakeAsync(message, registering, cancellationToken);
            return null;
        }
        catch (MessageRefusedException refused)
        {
            await federation.MessageRefusedAsync(refused.Client ?? owner, refused.Message, cancellationToken);
            return refused.Message;
        }
    }

    /// <summary>Gives a message that was read already to the core.</summary>
    /// <inheritdoc
    /// cref="TakeAsync(ReadOnlyMemory{byte}, string?, ClientId?, Func{ClientId, ValueTask}, CancellationToken)"/>
    public async ValueTask<MessageVerdict> TakeAsync(
        ClientMessage message, Func<ClientId, ValueTask> registering, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(registering);
        switch (message)
        {
            case ClientRegistration registration:
                await registering(registration.Client);
                return await federation.ClientRegisteredAsync(registration, cancellationToken);
            case ClientUpdate update:
                return await federation.UpdateReceivedAsync(update, cancellationToken);
            case ClientMetrics metrics:
                return await federation.MetricsReceivedAsync(metrics, cancellationToken);
            default:
                throw new InvalidOperationException($"{message?.GetType().Name} is not of the family.");
        }
    }
}
