using System.Collections;
using System.Globalization;
using System.Text.Json.Nodes;

namespace SafeAmqp.Peers.Tests.Support;

/// <summary>
/// A header's value in the types that all languages tell apart; the width of an integer is not among them.
/// </summary>
/// <param name="Kind">null, bool, int, double, decimal, text, bytes, time, list or table.</param>
/// <param name="Text">The value as text; of lists and tables their content.</param>
public sealed record Typed(string Kind, string Text)
{
    private readonly JsonNode? _value;

    private Typed(string kind, string text, JsonNode? value) : this(kind, text) => _value = value;

    public bool Equals(Typed? other) => other is not null && (Kind, Text) == (other.Kind, other.Text);

    public override int GetHashCode() => HashCode.Combine(Kind, Text);

    public override string ToString() => $"{Kind} {Text}";

    /// <summary>As it stands in a line.</summary>
    public JsonNode ToJson() => new JsonArray(Kind, _value?.DeepClone());

    /// <summary>What a line says.</summary>
    public static Typed Parse(JsonNode node)
    {
        string kind = (string)node[0]!;
        JsonNode? value = node[1];
        return new Typed(kind, kind switch
        {
            "null" => "",
            "bool" => (bool)value! ? "true" : "false",
            "double" => Double(double.Parse((string)value!, CultureInfo.InvariantCulture)),
            "decimal" => Decimal(decimal.Parse((string)value!, NumberStyles.Float, CultureInfo.InvariantCulture)),
            "bytes" => Convert.ToHexString(Convert.FromBase64String((string)value!)),
            "list" => $"[{string.Join(", ", value!.AsArray().Select(item => Parse(item!)))}]",
            "table" => Table(value!.AsObject().Select(item => (item.Key, Parse(item.Value!)))),
            _ => value!.ToString(),
        }, value);
    }

    /// <summary>A value as the library has it.</summary>
    public static Typed Of(object? value) => value switch
    {
        null => new Typed("null", "", null),
        bool flag => new Typed("bool", flag ? "true" : "false", flag),
        byte or sbyte or short or ushort or int or uint or long or ulong => Scalar("int", Invariant(value)),
        float number => new Typed("double", Double(number), number.ToString("R", CultureInfo.InvariantCulture)),
        double number => new Typed("double", Double(number), number.ToString("R", CultureInfo.InvariantCulture)),
        decimal number => new Typed("decimal", Decimal(number), number.ToString(CultureInfo.InvariantCulture)),
        string text => Scalar("text", text),
        byte[] bytes => new Typed("bytes", Convert.ToHexString(bytes), Convert.ToBase64String(bytes)),
        DateTimeOffset time => Scalar("time", Invariant(time.ToUnixTimeSeconds())),
        IReadOnlyDictionary<string, object?> table => new Typed(
            "table", Table(table.Select(item => (item.Key, Of(item.Value)))),
            new JsonObject(table.Select(item => KeyValuePair.Create(item.Key, (JsonNode?)Of(item.Value).ToJson())))),
        IList list => new Typed("list", $"[{string.Join(", ", list.Cast<object?>().Select(Of))}]",
            new JsonArray([.. list.Cast<object?>().Select(item => Of(item).ToJson())])),
        _ => throw new ArgumentException($"There is no type for {value.GetType()}.", nameof(value)),
    };

    private static Typed Scalar(string kind, string text) => new(kind, text, text);

    private static string Invariant(object value) => Convert.ToString(value, CultureInfo.InvariantCulture)!;

    private static string Double(double number) => number.ToString("R", CultureInfo.InvariantCulture);

    private static string Decimal(decimal number)
        => number.ToString("0.############################", CultureInfo.InvariantCulture);

    private static string Table(IEnumerable<(string Name, Typed Value)> entries)
    {
        IEnumerable<string> sorted = entries.OrderBy(entry => entry.Name, StringComparer.Ordinal)
            .Select(entry => $"{entry.Name}: {entry.Value}");
        return $"{{{string.Join(", ", sorted)}}}";
    }
}
