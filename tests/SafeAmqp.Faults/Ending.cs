namespace SafeAmqp.Faults;

/// <summary>How a publish ended, as its caller saw it.</summary>
public enum Ending : byte
{
    Open,
    Confirmed,
    Returned,
    Nacked,
    Refused,
    NotSent,
    Unknown,
    Cancelled,
    Disposed,

    /// <summary>With something that the library never throws.</summary>
    Broken,
}

public static class Endings
{
    /// <summary>
    /// What an exception says about the message; null is a confirm. A cancellation counts only with the caller's own
    /// token, and only once that has fired.
    /// </summary>
    public static Ending Of(Exception? error, CancellationToken cancellationToken = default) => error switch
    {
        null => Ending.Confirmed,
        AmqpException known => known.Outcome switch
        {
            AmqpOutcome.Returned => Ending.Returned,
            AmqpOutcome.Nacked => Ending.Nacked,
            AmqpOutcome.Refused => Ending.Refused,
            AmqpOutcome.NotSent => Ending.NotSent,
            AmqpOutcome.Unknown => Ending.Unknown,
            _ => Ending.Broken,
        },
        OperationCanceledException cancelled
            when cancelled.CancellationToken == cancellationToken && cancellationToken.IsCancellationRequested =>
            Ending.Cancelled,
        ObjectDisposedException => Ending.Disposed,
        _ => Ending.Broken,
    };
}
