namespace FederatedLearning.Server;

/// <summary>The server's own settings, beside those of the core and of AMQP.</summary>
/// <param name="ResultsFolder">Where the results are written: <c>RESULTS_FOLDER</c>.</param>
/// <param name="ExitWhenComplete">Whether the server ends with the training, for demonstrations; else the page stays:
/// <c>EXIT_WHEN_COMPLETE</c>.</param>
public sealed record ServerSettings(string ResultsFolder, bool ExitWhenComplete)
{
    /// <summary>Reads the settings.</summary>
    public static ServerSettings From(IConfiguration configuration) => new(
        configuration["RESULTS_FOLDER"] is { Length: > 0 } folder ? folder : "results",
        string.Equals(configuration["EXIT_WHEN_COMPLETE"], "true", StringComparison.OrdinalIgnoreCase));
}
