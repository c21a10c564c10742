using System.Text.RegularExpressions;

namespace SafeAmqp.Testing.Connections;

/// <summary>Which names or routing keys a permission is for.</summary>
internal sealed class NamePattern
{
    private static readonly TimeSpan MatchLimit = TimeSpan.FromSeconds(1);
    private readonly Regex _regex;

    /// <exception cref="ArgumentException">
    /// The text is no regular expression; <paramref name="parameter"/> says whose it is.
    /// </exception>
    public NamePattern(string text, string parameter)
    {
        ArgumentNullException.ThrowIfNull(text, parameter);
        try
        {
            // An empty pattern matches nothing but the empty name, as in RabbitMQ.
            _regex = Compile(text.Length == 0 ? "^$" : text);
        }
        catch (RegexParseException error)
        {
            throw new ArgumentException(error.Message, parameter, error);
        }
    }

    public static NamePattern Any { get; } = new(".*", nameof(Any));

    public bool IsMatch(string name)
    {
        try
        {
            return _regex.IsMatch(name);
        }
        catch (RegexMatchTimeoutException)
        {
            return false; // RabbitMQ gives up after so many steps, and then it is no match.
        }
    }

    private static Regex Compile(string text)
    {
        try
        {
            return new Regex(text, RegexOptions.CultureInvariant | RegexOptions.NonBacktracking, MatchLimit);
        }
        catch (NotSupportedException)
        {
            // What looks around or back has to go back and forth, as RabbitMQ does for every pattern.
            return new Regex(text, RegexOptions.CultureInvariant, MatchLimit);
        }
    }
}
