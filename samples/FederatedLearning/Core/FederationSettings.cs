using SampleSettings;

namespace FederatedLearning;

/// <summary>
/// The core's settings. Names in capitals are those of the environment (or any other source of configuration).
/// </summary>
public sealed record FederationSettings
{
    /// <summary>The most rounds: <c>NUM_ROUNDS</c>.</summary>
    /// <value>50</value>
    public int MaxRounds { get; init; } = 50;

    /// <summary>How many clients start the training: <c>MIN_CLIENTS</c>. Once it runs, fewer go on.</summary>
    /// <value>2</value>
    public int MinClients { get; init; } = 2;

    /// <summary>How many clients there may be: <c>MAX_CLIENTS</c>. Silent ones make room for new ones.</summary>
    /// <value>100</value>
    public int MaxClients { get; init; } = 100;

    /// <summary>By how much the loss has to fall to count as improved: <c>CONVERGENCE_THRESHOLD</c>.</summary>
    /// <value>0.001</value>
    public double ConvergenceThreshold { get; init; } = 0.001;

    /// <summary>
    /// After how many rounds without improvement the training has converged: <c>CONVERGENCE_PATIENCE</c>.
    /// </summary>
    /// <value>2</value>
    public int ConvergencePatience { get; init; } = 2;

    /// <summary>Only rounds after this one are counted as being without improvement: <c>MIN_ROUNDS</c>.</summary>
    /// <value>3</value>
    public int MinRounds { get; init; } = 3;

    /// <summary>Samples per step on the clients: <c>BATCH_SIZE</c>.</summary>
    /// <value>32</value>
    public int BatchSize { get; init; } = 32;

    /// <summary>Passes over a client's data per round: <c>LOCAL_EPOCHS</c>.</summary>
    /// <value>1</value>
    public int LocalEpochs { get; init; } = 1;

    /// <summary>How long a round waits for updates: <c>ROUND_DEADLINE_SECONDS</c>.</summary>
    /// <value>5 minutes</value>
    public TimeSpan RoundDeadline { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long a round waits for metrics: <c>EVALUATION_DEADLINE_SECONDS</c>.</summary>
    /// <value>2 minutes</value>
    public TimeSpan EvaluationDeadline { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>
    /// After how many deadlines in a row without any update the training is given up: <c>MAX_EMPTY_DEADLINES</c>.
    /// </summary>
    /// <value>5</value>
    public int MaxEmptyDeadlines { get; init; } = 5;

    /// <summary>Reads the settings.</summary>
    /// <param name="setting">The value of a name, null or empty where it is not set:
    /// <c>Environment.GetEnvironmentVariable</c>, or <c>name => configuration[name]</c>.</param>
    /// <exception cref="InvalidOperationException">A value is not valid; the message names the setting.</exception>
    public static FederationSettings From(Func<string, string?> setting)
    {
        ArgumentNullException.ThrowIfNull(setting);
        var reader = new SettingReader(setting);
        var defaults = new FederationSettings();
        return new FederationSettings
        {
            MaxRounds = Count("NUM_ROUNDS", defaults.MaxRounds),
            MinClients = Count("MIN_CLIENTS", defaults.MinClients),
            MaxClients = Count("MAX_CLIENTS", defaults.MaxClients),
            ConvergenceThreshold = reader.Number("CONVERGENCE_THRESHOLD", defaults.ConvergenceThreshold, 0, 1e6),
            ConvergencePatience = Count("CONVERGENCE_PATIENCE", defaults.ConvergencePatience),
            MinRounds = Count("MIN_ROUNDS", defaults.MinRounds, 0),
            BatchSize = Count("BATCH_SIZE", defaults.BatchSize),
            LocalEpochs = Count("LOCAL_EPOCHS", defaults.LocalEpochs),
            RoundDeadline = Seconds("ROUND_DEADLINE_SECONDS", defaults.RoundDeadline),
            EvaluationDeadline = Seconds("EVALUATION_DEADLINE_SECONDS", defaults.EvaluationDeadline),
            MaxEmptyDeadlines = Count("MAX_EMPTY_DEADLINES", defaults.MaxEmptyDeadlines),
        }.Validated();

        int Count(string name, int otherwise, int min = 1) => reader.Whole(name, otherwise, min, 1_000_000);

        TimeSpan Seconds(string name, TimeSpan otherwise) => reader.Seconds(name, otherwise, 0.05, 7 * 86_400);
    }

    /// <summary>These settings, once they fit each other.</summary>
    /// <exception cref="InvalidOperationException">MAX_CLIENTS is less than MIN_CLIENTS.</exception>
    public FederationSettings Validated() => MaxClients >= MinClients
        ? this
        : throw new InvalidOperationException("MAX_CLIENTS must not be less than MIN_CLIENTS.");
}
