namespace SafeAmqp.Testing.Tests.Conformance;

/// <summary>Optional arguments of queues: what is refused, and what counts as another declaration.</summary>
internal static class ArgumentCases
{
    private const string LeaderLocator = "x-queue-leader-locator";

    private static readonly string[] Types = ["classic", "quorum"];

    private static readonly (string? First, string? Second)[] Changes =
    [
        (null, "classic"), ("classic", null), (null, "quorum"), ("quorum", null), ("classic", "quorum"),
        ("quorum", "classic"),
    ];

    private static readonly (string Name, object? Value)[] Refused =
    [
        ("x-message-ttl", -1), ("x-message-ttl", "10"), ("x-message-ttl", 4294967296L), ("x-expires", 0),
        ("x-expires", -5), ("x-expires", "1"),
        ("x-max-length", -1), ("x-max-length", "1"), ("x-max-length-bytes", -1), ("x-max-length-bytes", true),
        ("x-max-priority", -1),
        ("x-max-priority", 256), ("x-max-priority", "5"), ("x-overflow", "nonsense"), ("x-overflow", 1),
        ("x-dead-letter-exchange", 1),
        ("x-dead-letter-routing-key", "k"), ("x-dead-letter-routing-key", 5), ("x-queue-type", "nonsense"),
        ("x-queue-type", 3), ("x-queue-mode", "nonsense"), ("x-single-active-consumer", "true"),
    ];

    private static readonly (string Name, object? First, object? Second)[] Different =
    [
        ("x-message-ttl", null, 60000), ("x-message-ttl", 60000, null), ("x-message-ttl", 60000, 70000),
        ("x-message-ttl", 60000, 60000L), ("x-expires", 60000, 70000),
        ("x-max-length", 1, 2), ("x-max-length-bytes", null, 2), ("x-max-priority", 3, 4),
        ("x-overflow", "drop-head", "reject-publish"),
        ("x-dead-letter-exchange", "a", "b"), ("x-single-active-consumer", null, true),
        ("x-queue-mode", "lazy", "default"), ("x-unknown", 1, 2),
    ];

    private static readonly (string Name, object? Value)[] Typed =
    [
        ("x-delivery-limit", 5), ("x-delivery-limit", -1), ("x-delivery-limit", "a"), ("x-max-priority", 5),
        ("x-max-priority", 256), ("x-queue-mode", "lazy"), ("x-queue-version", 1), ("x-queue-version", 2),
        ("x-queue-version", 3), ("x-queue-version", "a"), ("x-max-age", "1h"), ("x-ha-policy", "all"),
        ("x-queue-master-locator", "min-masters"), (LeaderLocator, "client-local"), (LeaderLocator, "nonsense"),
        ("x-quorum-initial-group-size", 1), ("x-quorum-initial-group-size", 0),
        ("x-dead-letter-strategy", "at-least-once"), ("x-dead-letter-strategy", "nonsense"),
        ("x-max-in-memory-length", 5), ("x-stream-max-segment-size-bytes", 1000), ("x-initial-cluster-size", 1),
        ("x-consumer-timeout", 60000), ("x-unknown", 1),
    ];

    private static readonly (string Name, object? First, object? Second)[] Again =
    [
        ("x-queue-mode", null, "lazy"), ("x-queue-version", 2, null), ("x-delivery-limit", 5, 6),
        ("x-delivery-limit", null, 20), (LeaderLocator, "client-local", "balanced"),
        ("x-dead-letter-strategy", "at-most-once", "at-least-once"), ("x-consumer-timeout", 60000, 70000),
        ("x-max-age", null, "1h"),
    ];

    public static IEnumerable<Case> All =>
    [
        .. Refused.Select(r => new Case(
            $"argument {r.Name} = {r.Value} ({r.Value?.GetType().Name})",
            s => s.TryAsync(_ => s.DeclareAsync(arguments: Table(r.Name, r.Value))))),
        .. Different.Select(
            d => new Case($"argument {d.Name} first {d.First}, then {d.Second} ({d.Second?.GetType().Name})", async s =>
        {
            await s.TryAsync(_ => s.DeclareAsync(arguments: Table(d.Name, d.First)));
            await s.TryAsync(_ => s.DeclareAsync(arguments: Table(d.Name, d.Second)));
        })),
        .. Typed.SelectMany(t => Types.Select(type => new Case($"argument {t.Name} = {t.Value} of a {type} queue", s =>
            TypedAsync(s, type, t.Name, t.Value)) { TellsVersions = t.Name == LeaderLocator })),
        .. Again.SelectMany(a => Types.Select(type =>
            new Case($"argument {a.Name} of a {type} queue first {a.First}, then {a.Second}", async s =>
            {
                await TypedAsync(s, type, a.Name, a.First);
                await TypedAsync(s, type, a.Name, a.Second);
            }) { TellsVersions = a.Name == LeaderLocator })),
        .. Changes.Select(t =>
            new Case($"argument x-queue-type first {t.First ?? "none"}, then {t.Second ?? "none"}", async s =>
            {
                foreach (string? type in new[] { t.First, t.Second })
                    await s.TryAsync(_ => s.DeclareAsync(arguments: Table("x-queue-type", type), durable: true));
            }) { TellsVersions = true }),
        .. new[] { (false, false, false), (true, true, false), (true, false, true) }
            .Select(q => new Case($"a quorum queue durable {q.Item1} exclusive {q.Item2} auto-delete {q.Item3}", s =>
            s.TryAsync(c => c.QueueDeclareAsync(s.Q, q.Item1, q.Item2, q.Item3, Table("x-queue-type", "quorum"))))),
    ];

    public static Dictionary<string, object?> Table(string name, object? value)
        => value is null ? [] : new() { [name] = value };

    private static Task TypedAsync(Stage s, string type, string name, object? value)
    {
        Dictionary<string, object?> arguments = Table(name, value);
        arguments["x-queue-type"] = type;
        return s.TryAsync(_ => s.DeclareAsync(arguments: arguments, durable: true));
    }
}
