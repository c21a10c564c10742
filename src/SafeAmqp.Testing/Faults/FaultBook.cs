namespace SafeAmqp.Testing.Faults;

/// <summary>The scripts in force; asked at every moment that a trigger can name.</summary>
internal sealed class FaultBook(BrokerState broker)
{
    private readonly List<FaultScript> _scripts = [];

    /// <summary>False while nothing is scripted, so that a broker without faults pays nothing for them.</summary>
    public bool Any => _scripts.Count > 0 && !IsSuppressed;

    /// <summary>A method that was held back is being carried out: it does not meet its fault again.</summary>
    public bool IsSuppressed { get; set; }

    public void Add(FaultScript script) => _scripts.Add(script);

    public void Remove(FaultScript script) => _scripts.Remove(script);

    public void Clear() => _scripts.Clear();

    /// <summary>Lets every script that waits for this moment act; true when one of them used it up.</summary>
    public bool Meets(FaultScene scene)
    {
        if (!Any)
            return false;
        bool used = false;
        foreach (FaultScript script in _scripts.ToArray())
        {
            if (!script.IsDue(scene))
                continue;
            broker.History.Fault(scene);
            used |= script.Action.Act(scene);
        }
        return used;
    }
}
