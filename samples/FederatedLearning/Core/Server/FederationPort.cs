using FederatedLearning.Messages;
using FederatedLearning.Protocol;
using FederatedLearning.Rounds;
using FederatedLearning.Status;

namespace FederatedLearning.Server;

/// <summary>The core as one handler sees it: every callback becomes a command of the loop.</summary>
internal sealed class FederationPort(FederationLoop loop, int handler) : IFederation
{
    public FederationSnapshot Snapshot => loop.Snapshot;

    public ValueTask<MessageVerdict> ClientRegisteredAsync(
        ClientRegistration registration, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(registration);
        return loop.AskAsync(new FederationCommand.Register(handler, registration.Client), cancellationToken);
    }

    // Looks at every value here, on the handler's thread: the loop has only the sum to make.
    public ValueTask<MessageVerdict> UpdateReceivedAsync(
        ClientUpdate update, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(update);
        string? problem = UpdateCheck.FindProblem(update, loop.InitialModel);
        return loop.AskAsync(new FederationCommand.Update(handler, update, problem), cancellationToken);
    }

    public ValueTask<MessageVerdict> MetricsReceivedAsync(
        ClientMetrics metrics, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        return loop.AskAsync(new FederationCommand.Evaluated(handler, metrics), cancellationToken);
    }

    public async ValueTask MessageRefusedAsync(
        ClientId? client, string reason, CancellationToken cancellationToken = default)
        => await loop.AskAsync(new FederationCommand.Unreadable(handler, client, reason), cancellationToken);

    public async ValueTask ClientLeftAsync(
        ClientId client, string reason, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(client);
        await loop.AskAsync(new FederationCommand.Leave(handler, client, reason), cancellationToken);
    }

    public async ValueTask HandlerFailedAsync(Exception error, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(error);
        await loop.AskAsync(new FederationCommand.HandlerGone(handler, error), cancellationToken);
    }
}
