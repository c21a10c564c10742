using System.Collections.Immutable;

namespace SafeAmqp.Testing.Faults;

/// <summary>
/// The scripts in force; asked at every moment that a trigger can name. Scripts come and go from any thread, at once:
/// what a client sends after that meets them, or does not, whatever the loop is at.
/// </summary>
internal sealed class FaultBook(BrokerState broker)
{
    private ImmutableList<FaultScript> _scripts = [];

    /// <summary>False while nothing is scripted, so that a broker without faults pays nothing for them.</summary>
    public bool Any => !Volatile.Read(ref _scripts).IsEmpty;

    public void Add(FaultScript script)
        => ImmutableInterlocked.Update(ref _scripts, static (scripts, added) => scripts.Add(added), script);

    public void Remove(FaultScript script)
        => ImmutableInterlocked.Update(ref _scripts, static (scripts, removed) => scripts.Remove(removed), script);

    public void Clear() => Volatile.Write(ref _scripts, []);

    /// <summary>
    /// In the loop: lets every script that waits for this moment act; true when one of them used it up. A method that
    /// was held back does not meet its scripts again.
    /// </summary>
    public bool Meets(FaultScene scene)
    {
        if (scene.Method == scene.Connection.Replayed)
            return false;
        bool used = false;
        foreach (FaultScript script in Volatile.Read(ref _scripts))
        {
            if (!script.IsDue(scene))
                continue;
            broker.History.Fault(scene);
            used |= script.Action.Act(scene);
        }
        return used;
    }
}
