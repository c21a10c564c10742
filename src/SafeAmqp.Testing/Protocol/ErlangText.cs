using System.Globalization;
using System.Text;

namespace SafeAmqp.Testing.Protocol;

/// <summary>
/// RabbitMQ's reply texts show binaries as Erlang prints them; tests that compare texts expect the same.
/// </summary>
internal static class ErlangText
{
    private const int SnippetSize = 16;

    /// <summary>The octets of a payload as in <c>first 16 octets = &lt;&lt;1,2,…&gt;&gt;</c>.</summary>
    public static string Snippet(ReadOnlySpan<byte> payload) => payload.Length <= SnippetSize
        ? $"all octets = {Binary(payload)}"
        : $"first 16 octets = {Binary(payload[..SnippetSize])}";

    /// <summary>A value of a field as <c>~p</c> prints it.</summary>
    public static string Value(object? value) => value switch
    {
        byte[] text => Binary(text),
        List<object?> list => $"[{string.Join(',', list.Select(Typed))}]",
        bool flag => flag ? "true" : "false",
        null => "undefined",
        double number when number == Math.Truncate(number) => number.ToString("F1", CultureInfo.InvariantCulture),
        _ => Convert.ToString(value, CultureInfo.InvariantCulture)!,
    };

    private static string Typed(object? value) => $"{{{FieldTableWriter.TypeName(value)},{Value(value)}}}";

    /// <summary>A binary as <c>~p</c> prints it: as text when every octet is printable, as numbers otherwise.</summary>
    public static string Binary(ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty)
            return "<<>>";
        bool printable = true;
        foreach (byte octet in bytes)
            printable &= octet is >= 32 and < 127;
        if (printable)
        {
            string escaped = Encoding.ASCII.GetString(bytes).Replace("\\", "\\\\", StringComparison.Ordinal)
                .Replace("\"", "\\\"", StringComparison.Ordinal);
            return $"<<\"{escaped}\">>";
        }
        var text = new StringBuilder("<<");
        for (int i = 0; i < bytes.Length; i++)
            text.Append(i == 0 ? "" : ",").Append(bytes[i].ToString(CultureInfo.InvariantCulture));
        return text.Append(">>").ToString();
    }
}
