namespace FederatedLearning.Protocol;

/// <summary>One row of a program's table of protocols.</summary>
/// <typeparam name="T">What is made: a server's <see cref="IProtocolHandler"/>, a client's
/// <see cref="IClientLink"/>.</typeparam>
/// <param name="Name">The protocol's short name: <c>amqp</c>.</param>
/// <param name="Create">Makes it.</param>
public sealed record ProtocolEntry<T>(string Name, Func<T> Create)
{
    /// <summary>
    /// Why the protocol cannot run on this machine, in one line that says what to install; null where it can.
    /// </summary>
    public Func<string?> FindMissing { get; init; } = () => null;
}

/// <summary>Chooses from a program's table of protocols.</summary>
public static class ProtocolTable
{
    /// <summary>What a server speaks: the protocols of the setting, or all that can run here.</summary>
    /// <param name="all">The table.</param>
    /// <param name="names">The setting <c>PROTOCOLS</c>: names with commas between; not set: all.</param>
    /// <param name="switchedOff">Told the line of each protocol that cannot run here and was not asked for.</param>
    /// <exception cref="InvalidOperationException">A protocol that was asked for is not known, or cannot run here; the
    /// message says what to install.</exception>
    public static IReadOnlyList<ProtocolEntry<T>> ForServer<T>(
        IReadOnlyList<ProtocolEntry<T>> all, string? names, Action<string> switchedOff)
    {
        ArgumentNullException.ThrowIfNull(switchedOff);
        if (string.IsNullOrWhiteSpace(names)) return CanRun(all, switchedOff);
        var chosen = Named(all, "PROTOCOLS", names);
        foreach (var entry in chosen)
        {
            if (entry.FindMissing() is { } missing) throw new InvalidOperationException($"PROTOCOLS: {missing}");
        }
        return chosen;
    }

    /// <summary>What a client tries, in order: the protocols of the setting that can run here.</summary>
    /// <param name="all">The table.</param>
    /// <param name="names">The setting <c>PROTOCOL_SELECTION</c>: names with commas between; not set:
    /// <c>amqp</c>.</param>
    /// <param name="switchedOff">Told the line of each protocol that cannot run here.</param>
    /// <exception cref="InvalidOperationException">A protocol is not known, or none of them can run here.</exception>
    public static IReadOnlyList<ProtocolEntry<T>> ForClient<T>(
        IReadOnlyList<ProtocolEntry<T>> all, string? names, Action<string> switchedOff)
    {
        ArgumentNullException.ThrowIfNull(switchedOff);
        var chosen = Named(all, "PROTOCOL_SELECTION", string.IsNullOrWhiteSpace(names) ? "amqp" : names);
        List<string> missing = [];
        var left = CanRun(chosen, missing.Add);
        if (left.Count == 0) throw new InvalidOperationException($"PROTOCOL_SELECTION: {string.Join("; ", missing)}");
        missing.ForEach(switchedOff);
        return left;
    }

    private static List<ProtocolEntry<T>> CanRun<T>(IReadOnlyList<ProtocolEntry<T>> entries, Action<string> switchedOff)
    {
        List<ProtocolEntry<T>> left = [];
        foreach (var entry in entries)
        {
            if (entry.FindMissing() is { } missing) switchedOff(missing);
            else left.Add(entry);
        }
        return left;
    }

    private static List<ProtocolEntry<T>> Named<T>(IReadOnlyList<ProtocolEntry<T>> all, string setting, string names)
    {
        List<ProtocolEntry<T>> chosen = [];
        foreach (string name in names.Split(
            ',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var entry = all.FirstOrDefault(entry => entry.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
                ?? throw new InvalidOperationException(
                    $"{setting} must be one or more of {string.Join(", ", all.Select(one => one.Name))}, with "
                        + "commas between.");
            if (!chosen.Contains(entry)) chosen.Add(entry);
        }
        return chosen.Count > 0 ? chosen : throw new InvalidOperationException($"{setting} names no protocol.");
    }
}
