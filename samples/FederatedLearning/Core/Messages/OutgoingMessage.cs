using FederatedLearning.Encoding;
using FederatedLearning.Model;

namespace FederatedLearning.Messages;

/// <summary>
/// What the server sends. A closed family: a handler switches over it, or just sends <see cref="ToJson"/>.
/// </summary>
/// <remarks>
/// <see cref="Recipient"/> null means every client in the handler's table; else one of them. A handler that cannot
/// reach one client alone (a broadcast) sends to all: the JSON then names the recipient in <c>client_id</c>, and other
/// clients pass it over. A peer that does not know that field does no harm: what it answers a second time is ignored.
/// </remarks>
public abstract record OutgoingMessage
{
    private byte[]? _json;

    private protected OutgoingMessage()
    {
    }

    // A copy is another message: what was encoded for the original does not go with it.
    /// <summary>Copies a message.</summary>
    protected OutgoingMessage(OutgoingMessage original) => Recipient = original.Recipient;

    /// <summary>The one client it is for, or null for all.</summary>
    public ClientId? Recipient { get; init; }

    /// <summary>
    /// The name on the wire, for example <c>global_model</c>: the value of <c>message_type</c>, and the end of
    /// <c>client_{id}_{message_type}</c>.
    /// </summary>
    public abstract string MessageType { get; }

    /// <summary>Same kind, same recipient, same content; whether it was encoded already makes no difference.</summary>
    public virtual bool Equals(OutgoingMessage? other)
        => other is not null && EqualityContract == other.EqualityContract && Recipient == other.Recipient;

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(EqualityContract, Recipient);

    /// <summary>
    /// The message as JSON, with its type in <c>message_type</c>. Made once and kept, so that fifty queues and several
    /// handlers share one body. Not to be changed.
    /// </summary>
    /// <remarks>
    /// Protocols that name the type otherwise (QUIC: <c>type</c>) use
    /// <see cref="ServerJson.Write(OutgoingMessage, string)"/>.
    /// </remarks>
    public ReadOnlyMemory<byte> ToJson()
    {
        // Two threads may both make it once; they make the same.
        return Volatile.Read(ref _json)
            ?? Interlocked.CompareExchange(ref _json, ServerJson.Write(this), null) ?? _json;
    }
}

/// <summary><c>training_config</c>: how to train.</summary>
/// <param name="BatchSize">Samples per step (<c>batch_size</c>).</param>
/// <param name="LocalEpochs">Passes over the client's data per round (<c>local_epochs</c>).</param>
public sealed record TrainingConfig(int BatchSize, int LocalEpochs) : OutgoingMessage
{
    /// <inheritdoc/>
    public override string MessageType => "training_config";
}

/// <summary><c>global_model</c>: the model after <see cref="Round"/>; round 0 is the untrained model.</summary>
/// <param name="Round">The round that made it.</param>
/// <param name="Weights">The model.</param>
/// <param name="ModelConfig">How to build the model: with round 0, and with any round for a client that joins
/// late.</param>
public sealed record GlobalModel(int Round, ModelWeights Weights, ModelConfig? ModelConfig = null) : OutgoingMessage
{
    private byte[]? _bytes;

    private GlobalModel(GlobalModel original) : base(original)
        => (Round, Weights, ModelConfig) = (original.Round, original.Weights, original.ModelConfig);

    /// <summary>
    /// The model's bytes, for a protocol that carries bytes. Made once and kept, as the JSON is. Not to be changed.
    /// </summary>
    public ReadOnlyMemory<byte> ToBytes()
        => Volatile.Read(ref _bytes)
            ?? Interlocked.CompareExchange(ref _bytes, WeightEncoding.ToBytes(Weights), null) ?? _bytes;

    /// <inheritdoc/>
    public bool Equals(GlobalModel? other)
        => base.Equals(other) && Round == other.Round && Equals(Weights, other.Weights)
            && Equals(ModelConfig, other.ModelConfig);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(base.GetHashCode(), Round);

    /// <inheritdoc/>
    public override string MessageType => "global_model";
}

/// <summary>
/// <c>start_training</c>: train on the latest global model and answer with <see cref="ClientUpdate"/> of this round.
/// </summary>
/// <param name="Round">The round, from 1.</param>
public sealed record StartTraining(int Round) : OutgoingMessage
{
    /// <inheritdoc/>
    public override string MessageType => "start_training";
}

/// <summary>
/// <c>start_evaluation</c>: evaluate the latest global model and answer with <see cref="ClientMetrics"/> of this round.
/// </summary>
/// <param name="Round">The round whose model is evaluated.</param>
public sealed record StartEvaluation(int Round) : OutgoingMessage
{
    /// <inheritdoc/>
    public override string MessageType => "start_evaluation";
}

/// <summary><c>training_complete</c>: it is over. The latest global model is the result.</summary>
/// <param name="Round">The last round that was completed.</param>
/// <param name="Reason">Why, for example <c>converged</c>.</param>
public sealed record TrainingComplete(int Round, string Reason) : OutgoingMessage
{
    /// <inheritdoc/>
    public override string MessageType => "training_complete";
}

/// <summary>
/// <c>server_started</c>: a server has begun, and knows no client yet; those that are connected already register again.
/// Sent by handlers whose clients are connected to a broker, and so do not notice that the server was another before.
/// </summary>
public sealed record ServerStarted : OutgoingMessage
{
    /// <inheritdoc/>
    public override string MessageType => "server_started";
}

/// <summary><c>rejected</c>: the client may not take part. Always for one client.</summary>
/// <param name="Reason">Why, for the client's operator.</param>
public sealed record Rejected(string Reason) : OutgoingMessage
{
    /// <inheritdoc/>
    public override string MessageType => "rejected";
}

/// <summary>
/// <c>error</c>: something that the client sent was refused; it still takes part. Always for one client.
/// </summary>
/// <param name="Reason">What was wrong, for the client's operator.</param>
/// <param name="Round">The round at that time.</param>
public sealed record ErrorReport(string Reason, int Round) : OutgoingMessage
{
    /// <summary>The reason of a message whose client the server does not know: the client registers again.</summary>
    public const string NotRegistered = "not registered";

    /// <inheritdoc/>
    public override string MessageType => "error";
}
