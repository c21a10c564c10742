using SafeAmqp.Actor;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Topology;

/// <summary>A caller's declaration: items in order, each refused or remembered on its own.</summary>
internal sealed class DeclareJob(IReadOnlyList<TopologyItem> items, long deadline) : IActorMessage
{
    private int _next;

    internal long Deadline => deadline;

    internal TopologyItem? Next => _next < items.Count ? items[_next++] : null;

    /// <summary>What the broker refused, and why.</summary>
    internal List<(TopologyItem Item, CloseReason End)> Errors { get; } = [];

    internal Completion<bool> Completion { get; } = new();

    public void Abandon(ConnectionActor actor) => Completion.TryFail(actor.DisposedError());

    internal AmqpTopologyException Error(AmqpClientStatus status)
    {
        var (item, end) = Errors[0];
        string all = string.Join("; ", Errors.Select(error => $"{error.Item.Key}: {error.End.Describe()}"));
        string why = end.Error is TimeoutException ? $": {WaitReason.NotDone(status)}" : "";
        return new AmqpTopologyException($"The broker did not accept {all}{why}. {status}", item.Key, end.Error)
        {
            ReplyCode = end.ByBroker ? end.Code : null,
            ReplyText = end.ByBroker ? end.Text : null,
            Status = status,
        };
    }
}
