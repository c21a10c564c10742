namespace SafeAmqp.Consuming;

/// <summary>The message that was coming on a channel when the guard ended the link over it. Of a message that cannot be read only so much is known.</summary>
/// <param name="Incarnation">The channel.</param>
/// <param name="Rule">The rule that it broke.</param>
/// <param name="Size">The size of the body that it announced, or of the frame that announced it.</param>
internal readonly record struct PoisonSuspect(long Incarnation, string Rule, ulong Size);
