using FederatedLearning.Messages;

namespace FederatedLearning.Rounds;

/// <summary>
/// Which clients are awaited in a phase, which have answered, and whose answer was refused. Ids, not clients: one that
/// leaves and comes back in the same phase has answered all the same, so no client counts twice.
/// </summary>
internal sealed class Attendance
{
    private readonly HashSet<ClientId> _awaited = [];
    private readonly HashSet<ClientId> _answered = [];
    private readonly HashSet<ClientId> _refused = [];

    /// <summary>How many are awaited.</summary>
    public int Awaited => _awaited.Count;

    /// <summary>How many have answered.</summary>
    public int Answered => _answered.Count;

    /// <summary>Whether a client is awaited.</summary>
    public bool Awaits(ClientId id) => _awaited.Contains(id);

    /// <summary>Whether a client has answered.</summary>
    public bool HasAnswered(ClientId id) => _answered.Contains(id);

    /// <summary>Whether a client's answer was refused, with no good one since.</summary>
    public bool WasRefused(ClientId id) => _refused.Contains(id);

    /// <summary>A new phase begins.</summary>
    public void Clear()
    {
        _awaited.Clear();
        _answered.Clear();
        _refused.Clear();
    }

    /// <summary>A client is awaited, unless it has answered.</summary>
    public void Await(ClientId id)
    {
        if (_answered.Contains(id)) return;
        _refused.Remove(id);
        _awaited.Add(id);
    }

    /// <summary>A client has answered.</summary>
    public void Answer(ClientId id)
    {
        _awaited.Remove(id);
        _refused.Remove(id);
        _answered.Add(id);
    }

    /// <summary>A client's answer was refused: it is no longer awaited.</summary>
    public void Refuse(ClientId id)
    {
        if (_answered.Contains(id)) return;
        _awaited.Remove(id);
        _refused.Add(id);
    }

    /// <summary>A client is not awaited any more.</summary>
    public void Dismiss(ClientId id) => _awaited.Remove(id);
}
