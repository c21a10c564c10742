using SampleSettings;

namespace FederatedLearning.Server;

/// <summary>The server's own settings, beside those of the core and of AMQP.</summary>
/// <param name="ResultsFolder">Where the results are written: <c>RESULTS_FOLDER</c>.</param>
/// <param name="ExitWhenComplete">Whether the server ends with the training, for demonstrations; else the page stays:
/// <c>EXIT_WHEN_COMPLETE</c>.</param>
public sealed record ServerSettings(string ResultsFolder, bool ExitWhenComplete)
{
    /// <summary>Reads the settings.</summary>
    /// <exception cref="InvalidOperationException">EXIT_WHEN_COMPLETE is neither true nor false.</exception>
    public static ServerSettings From(IConfiguration configuration)
    {
        var read = new SettingReader(name => configuration[name]);
        return new ServerSettings(read.Text("RESULTS_FOLDER", "results"), read.Flag("EXIT_WHEN_COMPLETE"));
    }
}
