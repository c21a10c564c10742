using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace SafeAmqp.Hosting;

using Setter = Action<AmqpClientOptions, IConfigurationSection>;

/// <summary>Applies one section of configuration to the options and says what in it is wrong.</summary>
internal static class OptionSection
{
    /// <summary>Sets what the section names. Continues after a fault, so that all of them are reported at
    /// once.</summary>
    /// <param name="options">The options to set.</param>
    /// <param name="section">The section.</param>
    /// <param name="isOtherClient">Whether a key is the section of another client, to be left alone.</param>
    /// <returns>What is wrong.</returns>
    internal static List<string> Apply(AmqpClientOptions options, IConfiguration section,
        Func<string, bool> isOtherClient)
    {
        var faults = new List<string>();
        foreach (var child in section.GetChildren())
        {
            if (isOtherClient(child.Key))
                continue;
            if (!OptionKeys.Sections.TryGetValue(child.Key, out var inner))
                Set(options, child, OptionKeys.Client, faults);
            else if (!string.IsNullOrEmpty(child.Value))
                faults.Add($"'{child.Path}' must be a section with {string.Join(", ", inner.Keys)}.");
            else
                foreach (var setting in child.GetChildren())
                    Set(options, setting, inner, faults);
        }
        return faults;
    }

    private static void Set(AmqpClientOptions options, IConfigurationSection section, Dictionary<string, Setter> known,
        List<string> faults)
    {
        if (!known.TryGetValue(section.Key, out var set))
        {
            faults.Add(Unknown(section, known.Keys));
            return;
        }
        if (ConfigValue.IsUnset(section))
            return;
        try
        {
            set(options, section);
        }
        catch (FormatException fault)
        {
            faults.Add(fault.Message);
        }
    }

    private static string Unknown(IConfigurationSection section, ICollection<string> known)
    {
        if (OptionKeys.CodeOnly.Contains(section.Key, StringComparer.OrdinalIgnoreCase))
            return $"'{section.Path}' cannot be set in configuration, only in code.";
        var near = NearNames.Of(section.Key, known);
        return near.Count > 0
            ? $"'{section.Path}' is not an option. Did you mean {string.Join(" or ", near)}?"
            : $"'{section.Path}' is not an option. The options are {string.Join(", ", known)}.";
    }
}

/// <summary>Reads one option out of configuration. A value that does not parse is a <see cref="FormatException"/> that
/// names the key and never the value, which may be a secret that got into the wrong place.</summary>
internal static class ConfigValue
{
    /// <summary>Whether there is no value: <c>null</c>, or an environment variable that is set to nothing.</summary>
    internal static bool IsUnset(IConfigurationSection section)
        => string.IsNullOrEmpty(section.Value) && !section.GetChildren().Any();

    internal static string Text(IConfigurationSection section) => Scalar(section, "one text");

    internal static bool Flag(IConfigurationSection section)
        => bool.TryParse(Scalar(section, "true or false"), out bool value) ? value
            : throw Wrong(section, "true or false");

    internal static int Int(IConfigurationSection section)
        => int.TryParse(Scalar(section, "a whole number"), NumberStyles.Integer, CultureInfo.InvariantCulture,
            out int value)
            ? value : throw Wrong(section, "a whole number");

    internal static long Long(IConfigurationSection section)
        => long.TryParse(Scalar(section, "a whole number"), NumberStyles.Integer, CultureInfo.InvariantCulture,
            out long value)
            ? value : throw Wrong(section, "a whole number");

    internal static TimeSpan Time(IConfigurationSection section)
    {
        const string Form = "a time as hours:minutes:seconds, such as 00:00:30";
        string text = Scalar(section, Form);

        // TimeSpan takes a bare 30 for thirty days, which nobody means.
        return text.Contains(':', StringComparison.Ordinal)
            && TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var value)
            ? value : throw Wrong(section, Form);
    }

    internal static TEnum Choice<TEnum>(IConfigurationSection section) where TEnum : struct, Enum
    {
        string form = "one of " + string.Join(", ", Enum.GetNames<TEnum>());
        string text = Scalar(section, form);

        // Numbers parse as well and would pass unchecked.
        return Enum.TryParse(text, ignoreCase: true, out TEnum value) && Enum.IsDefined(value)
            && !char.IsAsciiDigit(text[0])
            ? value : throw Wrong(section, form);
    }

    /// <summary>A list as children (<c>Hosts:0</c>), or in one text with commas, as environment variables have
    /// it.</summary>
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

    private static FormatException Wrong(IConfigurationSection section, string form)
        => new($"'{section.Path}' must be {form}.");
}

/// <summary>Finds what a misspelt name was meant to be.</summary>
internal static class NearNames
{
    private const int MostShown = 3;

    /// <summary>The names that differ from the given one by a few letters, or that contain it, nearest first.</summary>
    internal static List<string> Of(string name, IEnumerable<string> known)
    {
        // One letter in three: "Heartbeet" is near "Heartbeat", "Port" is not near "Hosts".
        int most = Math.Max(1, name.Length / 3);
        return [.. known
            .Select(candidate => (Name: candidate,
                Distance: Distance(name.ToUpperInvariant(), candidate.ToUpperInvariant())))
            .Where(near => near.Distance <= most || Contain(near.Name, name))
            .OrderBy(near => near.Distance)
            .ThenBy(near => near.Name, StringComparer.Ordinal)
            .Take(MostShown)
            .Select(near => near.Name)];
    }

    private static bool Contain(string one, string other)
        => Math.Min(one.Length, other.Length) > 2
            && (one.Contains(other, StringComparison.OrdinalIgnoreCase)
                || other.Contains(one, StringComparison.OrdinalIgnoreCase));

    // Levenshtein's distance, two rows at a time.
    private static int Distance(string from, string to)
    {
        int[] previous = [.. Enumerable.Range(0, to.Length + 1)];
        int[] current = new int[to.Length + 1];
        for (int i = 1; i <= from.Length; i++)
        {
            current[0] = i;
            for (int j = 1; j <= to.Length; j++)
            {
                int replaced = previous[j - 1] + (from[i - 1] == to[j - 1] ? 0 : 1);
                current[j] = Math.Min(replaced, Math.Min(previous[j], current[j - 1]) + 1);
            }
            (previous, current) = (current, previous);
        }
        return previous[to.Length];
    }
}
