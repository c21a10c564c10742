using Microsoft.Extensions.Configuration;

namespace SafeAmqp.Hosting;

using Setter = Action<AmqpClientOptions, IConfigurationSection>;

/// <summary>Applies one section of configuration to the options and says what in it is wrong.</summary>
internal static class OptionSection
{
    /// <summary>Sets what the section names. Goes on after a fault, so that all of them are told at once.</summary>
    /// <param name="options">The options to set.</param>
    /// <param name="section">The section.</param>
    /// <param name="isOtherClient">Whether a key is the section of another client, to be left alone.</param>
    /// <returns>What is wrong.</returns>
    internal static List<string> Apply(AmqpClientOptions options, IConfiguration section, Func<string, bool> isOtherClient)
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

    private static void Set(AmqpClientOptions options, IConfigurationSection section, Dictionary<string, Setter> known, List<string> faults)
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
