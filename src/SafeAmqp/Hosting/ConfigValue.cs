using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace SafeAmqp.Hosting;

/// <summary>
/// Reads one option out of configuration. A value that does not parse is a <see cref="FormatException"/> that names the key and never
/// the value, which may be a secret that got into the wrong place.
/// </summary>
internal static class ConfigValue
{
    /// <summary>Whether nothing stands there: <c>null</c>, or an environment variable that is set to nothing.</summary>
    internal static bool IsUnset(IConfigurationSection section) => string.IsNullOrEmpty(section.Value) && !section.GetChildren().Any();

    internal static string Text(IConfigurationSection section) => Scalar(section, "one text");

    internal static bool Flag(IConfigurationSection section)
        => bool.TryParse(Scalar(section, "true or false"), out bool value) ? value : throw Wrong(section, "true or false");

    internal static int Int(IConfigurationSection section)
        => int.TryParse(Scalar(section, "a whole number"), NumberStyles.Integer, CultureInfo.InvariantCulture, out int value)
            ? value : throw Wrong(section, "a whole number");

    internal static long Long(IConfigurationSection section)
        => long.TryParse(Scalar(section, "a whole number"), NumberStyles.Integer, CultureInfo.InvariantCulture, out long value)
            ? value : throw Wrong(section, "a whole number");

    internal static TimeSpan Time(IConfigurationSection section)
    {
        const string Form = "a time as hours:minutes:seconds, such as 00:00:30";
        string text = Scalar(section, Form);

        // TimeSpan takes a bare 30 for thirty days, which nobody means.
        return text.Contains(':', StringComparison.Ordinal) && TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var value)
            ? value : throw Wrong(section, Form);
    }

    internal static TEnum Choice<TEnum>(IConfigurationSection section) where TEnum : struct, Enum
    {
        string form = "one of " + string.Join(", ", Enum.GetNames<TEnum>());
        string text = Scalar(section, form);

        // Numbers parse as well and would pass unchecked.
        return Enum.TryParse(text, ignoreCase: true, out TEnum value) && Enum.IsDefined(value) && !char.IsAsciiDigit(text[0])
            ? value : throw Wrong(section, form);
    }

    /// <summary>A list as children (<c>Hosts:0</c>), or in one text with commas, as environment variables have it.</summary>
    internal static List<string> List(IConfigurationSection section)
    {
        const StringSplitOptions Tidy = StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries;
        var children = section.GetChildren().ToList();
        return children.Count > 0
            ? [.. children.Where(child => !IsUnset(child)).Select(Text)]
            : [.. (section.Value ?? "").Split(',', Tidy)];
    }

    private static string Scalar(IConfigurationSection section, string form)
        => section.GetChildren().Any() || section.Value is not { } text ? throw Wrong(section, form) : text;

    private static FormatException Wrong(IConfigurationSection section, string form) => new($"'{section.Path}' must be {form}.");
}
