namespace SafeAmqp.Simulation.Runs;

/// <summary>
/// What one plan does: the client's options, and which faults happen how often. Each fault is off in half of the seeds,
/// so that combinations of few are tried as well as all at once.
/// </summary>
internal sealed class Scenario
{
    private readonly double[] _rates = new double[Enum.GetValues<Fault>().Length];

    internal Scenario(Plan plan)
    {
        Dice dice = plan.DiceFor("scenario", salted: false);
        Window = dice.Pick(1, 2, 3, 8, 16, 64);
        WindowBytes = dice.Pick(1 << 10, 4 << 10, 32 << 20);
        Republish = dice.Next(2) == 0;
        Prefetch = dice.Next(1, 21);
        Heartbeat = TimeSpan.FromSeconds(dice.Next(2, 11));
        OperationTimeout = TimeSpan.FromMilliseconds(dice.Pick(500, 2_000, 10_000));
        PublishTimeout = TimeSpan.FromMilliseconds(dice.Pick(50, 500, 3_000, 15_000));
        MaxPending = dice.Pick(2, 20, 1_000, 1_000);
        MaxPendingBytes = dice.Pick(1 << 11, 1 << 20);
        MaxCalls = dice.Pick(1, 5, 1_000);
        Hosts = dice.Pick(1, 1, 3);
        OwnsExclusiveQueues = dice.Next(2) == 0;
        Publishers = Math.Min(plan.Publishers, dice.Next(1, 6));
        Messages = Math.Min(plan.Messages, dice.Next(5, 61));
        Consumers = Math.Min(plan.Consumers, dice.Next(0, 4));
        Batching = dice.NextDouble() * 0.6;
        Latency = TimeSpan.FromMilliseconds(dice.Pick(1, 1, 5, 40)).Ticks;
        Pause = TimeSpan.FromMilliseconds(dice.Pick(2, 20, 60)).Ticks;
        Trouble = TimeSpan.FromMilliseconds(Math.Min(plan.Milliseconds, 500 + dice.Next(8_000))).Ticks;
        foreach (Fault fault in Enum.GetValues<Fault>())
        {
            double rate = dice.Next(2) == 0 ? 0 : dice.NextDouble() * Highest(fault);
            _rates[(int)fault] = plan.Without.Contains(fault) ? 0 : rate;
        }
        if (this[Fault.Deafness] > 0) // it shows after a while
            Trouble = Math.Min(
                TimeSpan.FromMilliseconds(plan.Milliseconds).Ticks,
                Trouble + TimeSpan.FromMilliseconds(dice.Next(15_000)).Ticks);
    }

    internal int Window { get; }
    internal long WindowBytes { get; }
    internal bool Republish { get; }
    internal int Prefetch { get; }
    internal TimeSpan Heartbeat { get; }
    internal TimeSpan OperationTimeout { get; }
    internal TimeSpan PublishTimeout { get; }
    internal int MaxPending { get; }
    internal long MaxPendingBytes { get; }
    internal int MaxCalls { get; }
    internal int Hosts { get; }
    internal bool OwnsExclusiveQueues { get; }
    internal int Publishers { get; }
    internal int Messages { get; }
    internal int Consumers { get; }

    /// <summary>How likely messages wait for others before the thread looks at them.</summary>
    internal double Batching { get; }

    internal long Latency { get; }

    /// <summary>What lies at most between two messages of a publisher.</summary>
    internal long Pause { get; }

    /// <summary>How long faults happen.</summary>
    internal long Trouble { get; }

    internal double this[Fault fault] => _rates[(int)fault];

    // Per second of a link's life, or per operation: see where each is used.
    private static double Highest(Fault fault) => fault switch
    {
        Fault.Cuts => 3,
        Fault.Blocks or Fault.ExchangeLosses => 2,
        Fault.ConnectionCloses or Fault.Freezes or Fault.Stalls or Fault.ChannelErrors or Fault.ConsumerCancels
            or Fault.LeaderLosses =>
            1,
        Fault.Restarts or Fault.Refusals or Fault.Starvation or Fault.Deafness => 0.3,
        Fault.ConnectFailures => 0.6,
        Fault.Cancels or Fault.Busy or Fault.Nacks or Fault.Calls => 0.5,
        Fault.LostReplies or Fault.ForeignReplies => 0.4,
        Fault.Returns or Fault.BadExchanges or Fault.Posts or Fault.DoubleAnswers => 0.3,
        Fault.OpenFailures or Fault.Silences or Fault.SilentQueues => 0.2,
        Fault.SameIds or Fault.Unencodables => 0.1,
        Fault.Impossibles => 0.02,
        Fault.BadAnswers => 0.05,
        _ => 1,
    };
}
