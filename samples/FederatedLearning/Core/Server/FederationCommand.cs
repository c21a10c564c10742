using FederatedLearning.Messages;
using FederatedLearning.Protocol;

namespace FederatedLearning.Server;

/// <summary>What the loop is asked to do. A closed family; each carries its completion.</summary>
internal abstract record FederationCommand
{
    private protected FederationCommand()
    {
    }

    /// <summary>Ends when the command was decided.</summary>
    public TaskCompletionSource<MessageVerdict> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>A client registers.</summary>
    public sealed record Register(int Handler, ClientId Client) : FederationCommand;

    /// <summary>A client has trained; what is wrong with its update was found out before.</summary>
    public sealed record Update(int Handler, ClientUpdate Message, string? Problem) : FederationCommand;

    /// <summary>A client has evaluated.</summary>
    public sealed record Evaluated(int Handler, ClientMetrics Message) : FederationCommand;

    /// <summary>A message could not be read.</summary>
    public sealed record Unreadable(int Handler, ClientId? Client, string Reason) : FederationCommand;

    /// <summary>A client is gone.</summary>
    public sealed record Leave(int Handler, ClientId Client, string Reason) : FederationCommand;

    /// <summary>A handler is gone.</summary>
    public sealed record HandlerGone(int Handler, Exception Error) : FederationCommand;

    /// <summary>The server stops.</summary>
    public sealed record Stop : FederationCommand;

    /// <summary>A deadline may have passed.</summary>
    public sealed record Wake : FederationCommand;
}
