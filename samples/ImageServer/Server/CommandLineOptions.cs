namespace ImageServer.Server;

/// <summary>The command line as settings: <c>--gen-model NAME</c> is <c>GEN_MODEL</c>, <c>--paths A B C</c> has any
/// number of values.</summary>
internal static class CommandLineOptions
{
    /// <summary>Reads <c>--name value</c>, <c>--name=value</c> and <c>--name value value</c>.</summary>
    /// <exception cref="InvalidOperationException">A value has no name before it.</exception>
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

        return values.ToDictionary(
            pair => pair.Key, pair => (string?)string.Join(Path.PathSeparator, pair.Value), values.Comparer);
    }
}
