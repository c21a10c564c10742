using System.Collections;
using System.Globalization;
using SafeAmqp.Telemetry;

namespace SafeAmqp.Actor;

/// <summary>Compares tables as a broker does: by names, types and values at every depth, whatever holds them here and
/// in whatever order.</summary>
internal static class TableEquality
{
    private const int MaxShown = 200;

    /// <summary>Whether two tables are one to a broker. None is as good as an empty one.</summary>
    internal static bool Same(IReadOnlyDictionary<string, object?>? a, IReadOnlyDictionary<string, object?>? b)
        => (a?.Count ?? 0) == (b?.Count ?? 0)
            && (a is null || a.All(entry => b!.TryGetValue(entry.Key, out object? other) && Same(entry.Value, other)));

    /// <summary>A table in words, for messages.</summary>
    internal static string Describe(IReadOnlyDictionary<string, object?> table)
        => StatusText.Printable(string.Join(", ", table.Select(entry => $"{entry.Key}={Describe(entry.Value)}")),
            MaxShown);

    private static bool Same(object? a, object? b) => (a, b) switch
    {
        (byte[] one, byte[] other) => one.AsSpan().SequenceEqual(other),
        (byte[], _) or (_, byte[]) => false,
        (IReadOnlyDictionary<string, object?> one, IReadOnlyDictionary<string, object?> other) => Same(one, other),
        (IList one, IList other) => one.Count == other.Count
            && one.Cast<object?>().Zip(other.Cast<object?>()).All(pair => Same(pair.First, pair.Second)),
        (ulong one, long other) => (long)one == other, // the same on the wire
        (long one, ulong other) => one == (long)other,
        (decimal one, decimal other) => decimal.GetBits(one).AsSpan().SequenceEqual(decimal.GetBits(other)),
        (DateTimeOffset one, DateTimeOffset other) => one.ToUnixTimeSeconds() == other.ToUnixTimeSeconds(),
        _ => Equals(a, b), // which compares types, too
    };

    private static string Describe(object? value) => value switch
    {
        null => "",
        byte[] bytes => Convert.ToHexString(bytes),
        IReadOnlyDictionary<string, object?> table => $"{{{Describe(table)}}}",
        IList list => $"[{string.Join(", ", list.Cast<object?>().Select(Describe))}]",
        _ => Convert.ToString(value, CultureInfo.InvariantCulture) ?? "",
    };
}
