using FederatedLearning.Model;

namespace FederatedLearning.Messages;

/// <summary>What clients send. A closed family.</summary>
public abstract record ClientMessage
{
    private protected ClientMessage(ClientId client) => Client = client;

    /// <summary>The client that sent it.</summary>
    public ClientId Client { get; init; }
}

/// <summary><c>register</c>: a client asks to take part.</summary>
/// <param name="Client">The client that asks.</param>
public sealed record ClientRegistration(ClientId Client) : ClientMessage(Client);

/// <summary><c>update</c>: a client's model after its local epochs.</summary>
/// <param name="Client">The client that has trained.</param>
/// <param name="Round">The round of <see cref="StartTraining"/>.</param>
/// <param name="Weights">The client's model, of the global model's shape.</param>
/// <param name="NumSamples">On how many samples it was trained, at least 1: its weight in the average.</param>
/// <param name="Metrics">What the training measured; may be absent.</param>
public sealed record ClientUpdate(
    ClientId Client, int Round, ModelWeights Weights, int NumSamples, ReportedMetrics? Metrics = null)
    : ClientMessage(Client);

/// <summary><c>metrics</c>: a client's evaluation of the global model.</summary>
/// <param name="Client">The client that has evaluated.</param>
/// <param name="Round">The round of <see cref="StartEvaluation"/>.</param>
/// <param name="NumSamples">On how many samples it was evaluated, at least 1: its weight in the average.</param>
/// <param name="Metrics">What was measured.</param>
/// <param name="Converged">Whether the client's own training makes no more progress (<c>client_converged</c>).</param>
public sealed record ClientMetrics(
    ClientId Client, int Round, int NumSamples, ReportedMetrics Metrics, bool Converged = false)
    : ClientMessage(Client);

/// <summary>What a client measured.</summary>
/// <param name="Loss">Mean cross-entropy per sample.</param>
/// <param name="Accuracy">The fraction classified correctly, 0 to 1.</param>
public readonly record struct ReportedMetrics(double Loss, double Accuracy);

/// <summary>
/// A message that cannot be read. The text is written for the operator of the client that sent it, and is safe to send
/// back.
/// </summary>
public sealed class MessageRefusedException : Exception
{
    /// <summary>Refuses a message.</summary>
    /// <param name="reason">What is wrong with it.</param>
    /// <param name="client">The client that sent it, where that could be read.</param>
    public MessageRefusedException(string reason, ClientId? client = null) : base(reason) => Client = client;

    /// <summary>The client that sent it, where that could be read.</summary>
    public ClientId? Client { get; }
}
