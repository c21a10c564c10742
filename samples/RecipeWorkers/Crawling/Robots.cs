namespace RecipeWorkers.Crawling;

/// <summary>
/// The rules of a robots.txt that concern us (RFC 9309: the longest matching path wins, Allow wins a tie).
/// </summary>
internal sealed class Robots
{
    private const string Agent = "recipeworkers";

    private readonly List<(string Path, bool IsAllowed)> _rules = [];

    /// <summary>No file, no rules.</summary>
    public static readonly Robots None = new();

    /// <summary>Why an address is not allowed.</summary>
    public string Reason { get; private init; } = "robots.txt asks not to";

    /// <summary>A file that may be there and cannot be read forbids everything (RFC 9309, section 2.3.1.4).</summary>
    public static Robots Unreachable(string error)
    {
        var robots = new Robots { Reason = $"robots.txt cannot be read: {error}" };
        robots._rules.Add(("/", false));
        return robots;
    }

    public static Robots Parse(string text)
    {
        var (own, general) = (new Robots(), new Robots());
        var (isOwn, isGeneral, isInRules, hasOwn) = (false, false, false, false);
        foreach (string line in text.Split('\n'))
        {
            var (key, value) = Field(line);
            if (key == "user-agent")
            {
                // Several agents may stand over one group of rules.
                if (isInRules) (isOwn, isGeneral, isInRules) = (false, false, false);
                isOwn |= value.Equals(Agent, StringComparison.OrdinalIgnoreCase);
                isGeneral |= value == "*";
                hasOwn |= isOwn;
            }
            else if (key is "allow" or "disallow")
            {
                isInRules = true;
                if (value.Length == 0) continue;
                if (isOwn) own._rules.Add((value, key == "allow"));
                if (isGeneral) general._rules.Add((value, key == "allow"));
            }
        }

        return hasOwn ? own : general;
    }

    public bool Allows(Uri address)
    {
        string path = address.PathAndQuery;
        return _rules.Where(rule => Matches(path, rule.Path)).OrderByDescending(rule => rule.Path.Length)
            .ThenByDescending(rule => rule.IsAllowed)
            .Select(rule => rule.IsAllowed).FirstOrDefault(true);
    }

    private static bool Matches(string path, string pattern)
    {
        bool isAnchored = pattern.EndsWith('$');
        string[] parts = pattern.TrimEnd('$').Split('*');
        if (!path.StartsWith(parts[0], StringComparison.Ordinal)) return false;
        int at = parts[0].Length;
        foreach (string? part in parts.Skip(1))
        {
            int found = path.IndexOf(part, at, StringComparison.Ordinal);
            if (found < 0) return false;
            at = found + part.Length;
        }

        return !isAnchored || at == path.Length || parts[^1].Length == 0;
    }

    private static (string Key, string Value) Field(string line)
    {
        int comment = line.IndexOf('#', StringComparison.Ordinal);
        if (comment >= 0) line = line[..comment];
        int colon = line.IndexOf(':', StringComparison.Ordinal);
        return colon < 0 ? ("", "") : (line[..colon].Trim().ToLowerInvariant(), line[(colon + 1)..].Trim());
    }
}
