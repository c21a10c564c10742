using FederatedLearning.Messages;
using FederatedLearning.Protocol;

namespace FederatedLearning.Grpc;

/// <summary>The way to a client: its stream, or what it will find when it polls.</summary>
internal abstract class GrpcWay
{
    /// <summary>Leaves a message for the client. Returns at once.</summary>
    public abstract void Post(OutgoingMessage message);

    /// <summary>Nothing more will be left.</summary>
    public abstract void Complete();
}

/// <summary>
/// A stream. What waits for it is bounded as the core's queue is: a client that does not read finds the latest model,
/// not each.
/// </summary>
internal sealed class StreamWay : GrpcWay
{
    /// <summary>The client that has registered over the stream.</summary>
    public ClientId? Client { get; set; }

    /// <summary>What is to be written.</summary>
    public OutgoingQueue Queue { get; } = new();

    public override void Post(OutgoingMessage message) => Queue.Post(message);

    public override void Complete() => Queue.Complete();
}

/// <summary>What a client that polls finds: the latest model, and what is asked of it.</summary>
internal sealed class PollWay(TimeProvider time) : GrpcWay
{
    private readonly Lock _lock = new();
    private PollState _state = new();
    private long _lastCall = time.GetTimestamp();

    /// <summary>What it finds now.</summary>
    public PollState State
    {
        get { lock (_lock) return _state; }
    }

    /// <summary>How long ago it called.</summary>
    public TimeSpan Silence => time.GetElapsedTime(Volatile.Read(ref _lastCall));

    /// <summary>It has called.</summary>
    public void Heard() => Volatile.Write(ref _lastCall, time.GetTimestamp());

    public override void Post(OutgoingMessage message)
    {
        lock (_lock)
        {
            _state = message switch
            {
                TrainingConfig how => _state with { How = how },
                GlobalModel model => _state with { Model = model, Config = model.ModelConfig ?? _state.Config },
                StartTraining or StartEvaluation => _state with { Order = message, Reason = "" },
                TrainingComplete complete => _state with { Order = null, IsComplete = true, Reason = complete.Reason },
                Rejected rejected => _state with { Order = null, IsRejected = true, Reason = rejected.Reason },
                ErrorReport error => _state with { Reason = error.Reason },
                _ => _state,
            };
        }
    }

    /// <summary>It has answered what was asked: it is not asked again.</summary>
    public void Answered(OutgoingMessage order)
    {
        lock (_lock)
        {
            if (_state.Order == order) _state = _state with { Order = null };
        }
    }

    public override void Complete()
    {
    }
}

/// <summary>What a client that polls finds.</summary>
internal sealed record PollState
{
    public TrainingConfig? How { get; init; }
    public GlobalModel? Model { get; init; }
    public Model.ModelConfig? Config { get; init; }
    public OutgoingMessage? Order { get; init; }
    public bool IsComplete { get; init; }
    public bool IsRejected { get; init; }
    public string Reason { get; init; } = "";
}
