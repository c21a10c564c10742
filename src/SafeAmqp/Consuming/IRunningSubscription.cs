namespace SafeAmqp.Consuming;

/// <summary>What the holder of an <see cref="AmqpSubscription"/> sees of it; tests of the rooms above the core put their own in its place.</summary>
internal interface IRunningSubscription
{
    string Queue { get; }

    AmqpConsumerState State { get; }

    string? LastError { get; }

    AmqpException? Error => null;

    ValueTask StopAsync();
}
