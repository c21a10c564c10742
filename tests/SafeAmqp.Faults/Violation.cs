namespace SafeAmqp.Faults;

/// <summary>Something that a run must never show.</summary>
/// <param name="Rule">The rule's name, such as <c>lost</c>.</param>
/// <param name="What">What happened, with the message's publisher and number.</param>
public sealed record Violation(string Rule, string What)
{
    public override string ToString() => $"{Rule}: {What}";
}
