using FederatedLearning.Status;

namespace FederatedLearning.Rounds;

/// <summary>The training as others may see it.</summary>
internal sealed partial class TrainingRun
{
    /// <summary>The state now.</summary>
    public FederationSnapshot ToSnapshot(
        long version, IReadOnlyList<string> handlers, Func<int, int> backlog, IReadOnlyList<string?> failures,
        Func<int, TrafficCounts> traffic)
    {
        var clients = _clients.All.Select(client => new ClientSnapshot(
            client.Id.Value, handlers[client.Handler], StateOf(client), client.LastRound, client.Samples)).ToArray();
        return new FederationSnapshot
        {
            Version = version,
            Phase = _phase,
            Round = _round,
            MaxRounds = _settings.MaxRounds,
            MinClients = _settings.MinClients,
            Clients = clients,
            Rounds = _results,
            Awaited = _attendance.Awaited,
            Received = _attendance.Answered,
            Deadline = _deadline,
            Counts = _counters.ToCounts(),
            Handlers = [.. handlers.Select((name, i) => new HandlerSnapshot(
                name, _clients.All.Count(client => client.Handler == i), backlog(i), failures[i], traffic(i)))],
            StartedAt = _startedAt,
            Completion = Completion,
        };
    }

    private ClientState StateOf(Client client)
    {
        if (client.IsSilent) return ClientState.Silent;
        if (_attendance.HasAnswered(client.Id)) return ClientState.Done;
        if (_attendance.WasRefused(client.Id)) return ClientState.Refused;
        return _attendance.Awaits(client.Id) ? ClientState.Working : ClientState.Idle;
    }
}
