using SafeAmqp.Chaos.Running;

namespace SafeAmqp.Chaos.Faults;

/// <summary>A kind of fault.</summary>
/// <param name="Name">Its name in history, result and plot.</param>
/// <param name="StrikeAsync">Makes it, holds it and ends it. Returns what it saw itself, or null when only the clients
/// can have noticed.</param>
/// <param name="WasNoticed">Whether what was seen proves that it happened to somebody.</param>
internal sealed record FaultKind(
    string Name, Func<Stage, FaultPlan, Task<bool?>> StrikeAsync, Func<Sightings, FaultPlan, bool> WasNoticed)
{
    internal const string QueueDeleted = "queue deleted";

    /// <summary>Whether nodes were stopped or cut off, so that the cluster is looked after before the next.</summary>
    internal bool TouchesNodes { get; init; }

    internal static FaultKind ThatLosesLinks(string name, Func<Stage, FaultPlan, Task> strike)
        => new(name, async (stage, plan) =>
        {
            await strike(stage, plan);
            return null;
        }, (seen, _) => seen.LinksLost > 0);

    internal static FaultKind SeenByItself(string name, Func<Stage, FaultPlan, Task<bool>> strike)
        => new(name, async (stage, plan) => await strike(stage, plan), (_, _) => false);

    internal static FaultKind Noticed(
        string name, Func<Stage, FaultPlan, Task> strike, Func<Sightings, FaultPlan, bool> wasNoticed)
        => new(name, async (stage, plan) =>
        {
            await strike(stage, plan);
            return null;
        }, wasNoticed);
}

/// <summary>What a fault may touch.</summary>
internal sealed record Stage(
    Arena Arena, Witnesses Witnesses, LagProbe Lag, Party Victim, Load.Receiver Receiver, Func<Task> RedeclareAsync)
{
    /// <summary>Waits until the clients have lost a link, at most for a time.</summary>
    internal Task<bool> UntilLinkLostAsync(int links, TimeSpan limit)
        => Arena.UntilAsync(() => Witnesses.Seen.LinksLost >= links, limit);
}
