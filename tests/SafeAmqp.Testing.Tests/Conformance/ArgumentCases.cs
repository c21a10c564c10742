namespace SafeAmqp.Testing.Tests.Conformance;

/// <summary>Optional arguments of queues: what is refused, and what counts as another declaration.</summary>
internal static class ArgumentCases
{
    private static readonly (string Name, object? Value)[] Refused =
    [
        ("x-message-ttl", -1), ("x-message-ttl", "10"), ("x-message-ttl", 4294967296L), ("x-expires", 0), ("x-expires", -5), ("x-expires", "1"),
        ("x-max-length", -1), ("x-max-length", "1"), ("x-max-length-bytes", -1), ("x-max-length-bytes", true), ("x-max-priority", -1),
        ("x-max-priority", 256), ("x-max-priority", "5"), ("x-overflow", "nonsense"), ("x-overflow", 1), ("x-dead-letter-exchange", 1),
        ("x-dead-letter-routing-key", "k"), ("x-dead-letter-routing-key", 5), ("x-queue-type", "nonsense"), ("x-queue-type", 3), ("x-queue-mode", "nonsense"), ("x-single-active-consumer", "true"),
    ];

    private static readonly (string Name, object? First, object? Second)[] Different =
    [
        ("x-message-ttl", null, 60000), ("x-message-ttl", 60000, null), ("x-message-ttl", 60000, 70000), ("x-message-ttl", 60000, 60000L), ("x-expires", 60000, 70000),
        ("x-max-length", 1, 2), ("x-max-length-bytes", null, 2), ("x-max-priority", 3, 4), ("x-overflow", "drop-head", "reject-publish"),
        ("x-dead-letter-exchange", "a", "b"), ("x-single-active-consumer", null, true), ("x-queue-mode", "lazy", "default"), ("x-unknown", 1, 2),
    ];

    public static IEnumerable<Case> All =>
    [
        .. Refused.Select(r => new Case($"argument {r.Name} = {r.Value} ({r.Value?.GetType().Name})", s => s.TryAsync(_ => s.DeclareAsync(arguments: Table(r.Name, r.Value))))),
        .. Different.Select(d => new Case($"argument {d.Name} first {d.First}, then {d.Second} ({d.Second?.GetType().Name})", async s =>
        {
            await s.TryAsync(_ => s.DeclareAsync(arguments: Table(d.Name, d.First)));
            await s.TryAsync(_ => s.DeclareAsync(arguments: Table(d.Name, d.Second)));
        })),
        .. new[] { (false, false, false), (true, true, false), (true, false, true) }.Select(q => new Case($"a quorum queue durable {q.Item1} exclusive {q.Item2} auto-delete {q.Item3}", s =>
            s.TryAsync(c => c.QueueDeclareAsync(s.Q, q.Item1, q.Item2, q.Item3, Table("x-queue-type", "quorum"))))),
    ];

    public static Dictionary<string, object?> Table(string name, object? value) => value is null ? [] : new() { [name] = value };
}
