using System.Globalization;
using ImageServer.Protocol;

namespace ImageServer.Server.Clients;

/// <summary>What a client asks for.</summary>
internal abstract record Command
{
    private Command()
    {
    }

    /// <summary>Its name in metrics: one of few, whatever a client sends.</summary>
    public string Name => GetType().Name.ToLowerInvariant();

    public sealed record Quit : Command;

    public sealed record Search(string Words) : Command;

    public sealed record ShowUrl(string Url) : Command;

    public sealed record Next : Command;

    /// <summary>Chooses a mode; null when there is no such mode. Not answered unless it is wrong.</summary>
    public sealed record Gfx(GraphicsMode? Mode) : Command;

    public sealed record Gen(string Prompt) : Command;

    public sealed record Files : Command;

    public sealed record Video : Command;

    /// <summary>Where the client's request stands. Of this server alone; others answer it as unknown.</summary>
    public sealed record Place : Command;

    public sealed record Unknown : Command;

    /// <summary>A line that is longer than a line may be.</summary>
    public sealed record TooLong : Command;

    /// <summary>The last one: the client is cut off.</summary>
    public sealed record CutOff(string Reason, string? Error) : Command;

    /// <summary>Reads a line's commands. <c>search</c>, <c>showurl</c> and <c>gen</c> take the rest of the line, others
    /// may stand before another.</summary>
    public static IEnumerable<Command> Parse(string line)
    {
        string[] tokens = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        for (int at = 0; at < tokens.Length; at++)
        {
            switch (tokens[at])
            {
                case "quit": yield return new Quit(); break;
                case "next": yield return new Next(); break;
                case "files": yield return new Files(); break;
                case "video": yield return new Video(); break;
                case "place": yield return new Place(); break;
                case "gfx": yield return new Gfx(ModeOf(++at < tokens.Length ? tokens[at] : "")); break;
                case "search": yield return new Search(Rest(at)); yield break;
                case "showurl": yield return new ShowUrl(Rest(at)); yield break;
                case "gen": yield return new Gen(Rest(at)); yield break;
                default: yield return new Unknown(); yield break;
            }
        }

        string Rest(int command) => string.Join(' ', tokens.Skip(command + 1));
    }

    private static GraphicsMode? ModeOf(string token)
        => int.TryParse(token, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
            && ModeFormat.Exists(number) ? (GraphicsMode)number : null;
}
