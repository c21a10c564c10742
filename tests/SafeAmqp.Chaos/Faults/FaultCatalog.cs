namespace SafeAmqp.Chaos.Faults;

internal static class FaultCatalog
{
    internal static IReadOnlyList<FaultKind> All { get; } = [
        .. NodeFaults.All.Select(kind => kind with { TouchesNodes = true }),
        .. NetworkFaults.All,
        .. OperatorFaults.All];

    internal static IReadOnlyList<string> Names { get; } = [.. All.Select(kind => kind.Name)];

    internal static FaultKind Named(string name) => All.First(kind => kind.Name == name);
}
