namespace TestSupport;

/// <summary>Names of hosts.</summary>
public static class HostNames
{
    /// <summary>One that there cannot be, and that no name server is asked for: it is within the length of a text, and
    /// one octet too long for a question.</summary>
    public static string NoHost { get; } = string.Join('.', new string('a', 63), new string('b', 63),
        new string('c', 63), new string('d', 62));
}
