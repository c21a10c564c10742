using System.Collections.Immutable;
using System.Globalization;

namespace SafeAmqp.Simulation.Runs;

/// <summary>
/// What to run: a seed, and what was taken away from what it draws. Written as the words of a command line.
/// </summary>
internal sealed record Plan(int Seed)
{
    /// <summary>Another order of events under the same options.</summary>
    internal int Salt { get; init; }

    internal ImmutableSortedSet<Fault> Without { get; init; } = [];

    // At most so many, where the seed draws more.
    internal int Publishers { get; init; } = int.MaxValue;
    internal int Messages { get; init; } = int.MaxValue;
    internal int Consumers { get; init; } = int.MaxValue;

    /// <summary>How long faults happen, at most.</summary>
    internal int Milliseconds { get; init; } = int.MaxValue;

    /// <summary>The numbers of one concern: what one draws changes nothing for the others.</summary>
    internal Dice DiceFor(string concern, bool salted = true)
    {
        ulong seed = 14695981039346656037;
        foreach (char c in concern)
            seed = (seed ^ c) * 1099511628211;
        return new Dice(seed ^ ((ulong)Seed << 20) ^ (salted ? (ulong)Salt << 52 : 0));
    }

    internal static Plan Parse(IReadOnlyList<string> words)
    {
        var plan = new Plan(Number(words[0]));
        for (int i = 1; i + 1 < words.Count; i += 2)
        {
            string value = words[i + 1];
            plan = words[i] switch
            {
                "--salt" => plan with { Salt = Number(value) },
                "--without" => plan with { Without = [.. value.Split(',').Select(Enum.Parse<Fault>)] },
                "--publishers" => plan with { Publishers = Number(value) },
                "--messages" => plan with { Messages = Number(value) },
                "--consumers" => plan with { Consumers = Number(value) },
                "--milliseconds" => plan with { Milliseconds = Number(value) },
                _ => throw new FormatException($"{words[i]} is no part of a plan."),
            };
        }
        return plan;
    }

    public override string ToString()
    {
        var words = new List<string> { Text(Seed) };
        if (Salt != 0)
            words.Add($"--salt {Text(Salt)}");
        if (!Without.IsEmpty)
            words.Add($"--without {string.Join(',', Without)}");
        foreach (var (name, value) in ((string, int)[])[("publishers", Publishers), ("messages", Messages),
            ("consumers", Consumers), ("milliseconds", Milliseconds)])
        {
            if (value != int.MaxValue)
                words.Add($"--{name} {Text(value)}");
        }
        return string.Join(' ', words);
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
