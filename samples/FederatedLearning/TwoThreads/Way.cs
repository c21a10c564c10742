namespace TwoThreads;

/// <summary>One way of using a channel from two threads that goes wrong, and the same load through SafeAmqp.</summary>
/// <param name="Title">What both threads do.</param>
/// <param name="Why">Why it goes wrong on a channel that is shared.</param>
/// <param name="OnOneChannel">The load on one channel of RabbitMQ.Client.</param>
/// <param name="OnSafeAmqp">The same load on one SafeAmqp client.</param>
internal sealed record Way(
    string Title, string Why, Func<Uri, CancellationToken, Task<Tally>> OnOneChannel,
    Func<Uri, CancellationToken, Task<Tally>> OnSafeAmqp)
{
    public static IReadOnlyList<Way> All { get; } =
        [CancelledSends.Way, SettledTwice.Way, NumberedByHand.Way, OneMistake.Way];
}
