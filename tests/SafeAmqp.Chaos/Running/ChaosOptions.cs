using System.Globalization;

namespace SafeAmqp.Chaos.Running;

/// <summary>What a run is asked for.</summary>
internal sealed record ChaosOptions
{
    internal TimeSpan Duration { get; init; } = TimeSpan.FromMinutes(3);

    internal int Seed { get; init; } = Random.Shared.Next(1, 1_000_000);

    /// <summary>Messages a second of each lane.</summary>
    internal double Rate { get; init; } = 20;

    /// <summary>Where history, result and plot go.</summary>
    internal string Folder { get; init; } = "artifacts/chaos";

    internal bool Verbose { get; init; }

    /// <summary>Only these kinds, for looking into one.</summary>
    internal IReadOnlyList<string> Kinds { get; init; } = Faults.FaultCatalog.Names;

    internal static ChaosOptions Parse(IReadOnlyList<string> args)
    {
        var options = new ChaosOptions();
        for (int i = 0; i < args.Count; i++)
        {
            string Value() => ++i < args.Count ? args[i] : throw new ArgumentException($"{args[i - 1]} needs a value.");
            options = args[i] switch
            {
                "--minutes" => options with
                {
                    Duration = TimeSpan.FromMinutes(double.Parse(Value(), CultureInfo.InvariantCulture))
                },
                "--seed" => options with { Seed = int.Parse(Value(), CultureInfo.InvariantCulture) },
                "--rate" => options with { Rate = double.Parse(Value(), CultureInfo.InvariantCulture) },
                "--folder" => options with { Folder = Value() },
                "--only" => options with { Kinds = [.. Value().Split(',').Distinct()] },
                "--verbose" => options with { Verbose = true },
                _ => throw new ArgumentException(
                    $"Unknown: {args[i]}. Known: --minutes, --seed, --rate, --folder, --only, --verbose."),
            };
        }
        return options;
    }
}
