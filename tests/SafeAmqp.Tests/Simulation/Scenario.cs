namespace SafeAmqp.Tests.Simulation;

/// <summary>What one seed does: the client's options and which faults happen how often. Each fault is off in about half of the seeds,
/// so that combinations of few are tried as well as all at once.</summary>
internal sealed class Scenario
{
    internal Scenario(Random random)
    {
        Window = Pick(random, 1, 2, 3, 8, 16, 64);
        WindowBytes = Pick(random, 1 << 10, 4 << 10, 32 << 20);
        Republish = random.Next(2) == 0;
        Prefetch = random.Next(1, 21);
        Heartbeat = TimeSpan.FromSeconds(random.Next(2, 11));
        OperationTimeout = TimeSpan.FromMilliseconds(Pick(random, 500, 2_000, 10_000));
        PublishTimeout = TimeSpan.FromMilliseconds(Pick(random, 50, 500, 3_000, 15_000));
        MaxPending = Pick(random, 2, 10, 1_000);
        Publishers = random.Next(1, 6);
        Messages = random.Next(5, 31);
        Consumers = random.Next(0, 4);
        Disposes = random.Next(3) == 0;
        Batching = random.NextDouble() * 0.6;
        Latency = TimeSpan.FromMilliseconds(Pick(random, 1, 1, 5, 40)).Ticks;
        Cancels = Rate(random, 0.5);
        Busy = Rate(random, 0.5);
        Cuts = Rate(random, 1) * 3;
        Freezes = Rate(random, 1);
        Blocks = Rate(random, 1) * 2;
        ConnectFailures = Rate(random, 0.6);
        OpenFailures = Rate(random, 0.2);
        Nacks = Rate(random, 0.5);
        Returns = Rate(random, 0.3);
        Silences = Rate(random, 0.2);
        BadExchanges = Rate(random, 0.3);
        ExchangeLosses = Rate(random, 1);
        ChannelErrors = Rate(random, 1);
        ConsumerCancels = Rate(random, 1);
        Unencodables = Rate(random, 0.1);
        FailedWrites = Rate(random, 0.2);
        LostReplies = Rate(random, 0.4);
        Calls = Rate(random, 0.5);
        Posts = Rate(random, 0.3);
        BadAnswers = Rate(random, 0.05);
    }

    internal int Window { get; }
    internal long WindowBytes { get; }
    internal bool Republish { get; }
    internal int Prefetch { get; }
    internal TimeSpan Heartbeat { get; }
    internal TimeSpan OperationTimeout { get; }
    internal TimeSpan PublishTimeout { get; }
    internal int MaxPending { get; }
    internal int Publishers { get; }
    internal int Messages { get; }
    internal int Consumers { get; }
    internal bool Disposes { get; }

    /// <summary>How likely messages wait for others before the thread looks at them.</summary>
    internal double Batching { get; }

    internal long Latency { get; }

    // Per message or per operation.
    internal double Cancels { get; }
    internal double Busy { get; }
    internal double ConnectFailures { get; }
    internal double OpenFailures { get; }
    internal double Nacks { get; }
    internal double Returns { get; }
    internal double Silences { get; }
    internal double BadExchanges { get; }
    internal double Unencodables { get; }
    internal double FailedWrites { get; }
    internal double LostReplies { get; }
    internal double Calls { get; }
    internal double Posts { get; }
    internal double BadAnswers { get; }

    // Per second.
    internal double Cuts { get; }
    internal double Freezes { get; }
    internal double Blocks { get; }
    internal double ExchangeLosses { get; }
    internal double ChannelErrors { get; }
    internal double ConsumerCancels { get; }

    private static int Pick(Random random, params int[] values) => values[random.Next(values.Length)];

    private static double Rate(Random random, double max) => random.Next(2) == 0 ? 0 : random.NextDouble() * max;
}
