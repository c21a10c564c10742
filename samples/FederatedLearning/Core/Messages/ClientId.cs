using System.Diagnostics.CodeAnalysis;

namespace FederatedLearning.Messages;

/// <summary>
/// A client's identity across all protocols. In JSON an integer or a string; <c>2</c> and <c>"2"</c> are the same
/// client. It becomes part of queue names and topics, so it is 1 to 64 of: ASCII letters, digits, <c>_</c>, <c>-</c>.
/// </summary>
public sealed record ClientId
{
    /// <summary>The longest id, in characters.</summary>
    public const int MaxLength = 64;

    private ClientId(string value) => Value = value;

    /// <summary>The id's text.</summary>
    public string Value { get; }

    /// <summary>Makes an id of text.</summary>
    /// <exception cref="FormatException">The text is no id.</exception>
    public static ClientId Parse(string text) => TryParse(text, out var id)
        ? id
        : throw new FormatException($"A client id is 1 to {MaxLength} letters, digits, '_' or '-'.");

    /// <summary>Makes an id of text, if it is one.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, [NotNullWhen(true)] out ClientId? id)
    {
        id = text is { Length: > 0 and <= MaxLength } && text.All(IsAllowed) ? new ClientId(text) : null;
        return id is not null;
    }

    /// <summary>Orders by the text, character by character: the same on every machine.</summary>
    public static IComparer<ClientId> ByText { get; } = Comparer<ClientId>.Create(
        (x, y) => string.CompareOrdinal(x.Value, y.Value));

    /// <summary>The id's text.</summary>
    public override string ToString() => Value;

    private static bool IsAllowed(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '-';
}
