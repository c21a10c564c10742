using System.Globalization;

namespace ImageServer.Server;

/// <summary>The command line as settings: <c>--gen-model NAME</c> is <c>GEN_MODEL</c>, <c>--paths A B C</c> has any
/// number of values.</summary>
internal static class CommandLineOptions
{
    /// <summary>Reads <c>--name value</c>, <c>--name=value</c> and <c>--name value value</c>.</summary>
    /// <exception cref="InvalidOperationException">
    /// A value has no name before it, or an option other than <c>--paths</c> has several.
    /// </exception>
    public static Dictionary<string, string?> Read(IEnumerable<string> args)
    {
        var values = new Dictionary<string, List<string>>(StringComparer.OrdinalIgnoreCase);
        List<string>? last = null;
        foreach (string arg in args)
        {
            if (arg.StartsWith("--", StringComparison.Ordinal))
            {
                var (name, value) = arg.IndexOf('=', StringComparison.Ordinal) is var at and > 0
                    ? (arg[2..at], arg[(at + 1)..]) : (arg[2..], null);
                values[name.Replace('-', '_')] = last = value is null ? [] : [value];
            }
            else
            {
                (last ?? throw new InvalidOperationException($"\"{arg}\" has no option before it.")).Add(arg);
            }
        }

        return values.SelectMany(option => Settings(option.Key, option.Value)).ToDictionary(values.Comparer);
    }

    private static IEnumerable<KeyValuePair<string, string?>> Settings(string name, List<string> values)
    {
        if (name.Equals(ImageSettings.PathsKey, StringComparison.OrdinalIgnoreCase))
            return values.Select((path, i) => KeyValuePair.Create(
                ConfigurationPath.Combine(name, i.ToString(CultureInfo.InvariantCulture)), (string?)path));
        return values.Count <= 1
            ? [KeyValuePair.Create(name, (string?)values.FirstOrDefault(""))]
            : throw new InvalidOperationException(
                $"--{name.Replace('_', '-')} has one value, and \"{values[1]}\" would be a second.");
    }
}
