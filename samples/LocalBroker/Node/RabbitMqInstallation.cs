namespace LocalBroker.Node;

/// <summary>The programs a private node needs; <paramref name="Call"/> is Erlang's <c>erl_call</c>, which not every installation has.</summary>
internal sealed record RabbitMqInstallation(string Server, string Control, string Epmd, string? SetSid, string? Call)
{
    // Debian and RPM; the official image; Homebrew on Apple and on Intel processors.
    private static readonly string[] ServerFolders =
    [
        "/usr/lib/rabbitmq/bin", "/opt/rabbitmq/sbin", "/opt/homebrew/opt/rabbitmq/sbin", "/usr/local/opt/rabbitmq/sbin",
    ];

    private static readonly string[] ErlangFolders =
    [
        "/usr/bin", "/usr/lib/erlang/bin", "/usr/lib64/erlang/bin", "/opt/erlang/lib/erlang/bin",
        "/opt/homebrew/bin", "/usr/local/bin",
    ];

    /// <summary>Null when RabbitMQ is not installed, or where there is no POSIX shell to guard it (Windows).</summary>
    public static RabbitMqInstallation? Find()
    {
        if (OperatingSystem.IsWindows()) return null;

        var folder = ServerFolders.Concat(SearchPath).FirstOrDefault(HoldsServer);
        var epmd = FindProgram("epmd", SearchPath.Concat(ErlangFolders));
        return folder is null || epmd is null
            ? null
            : new RabbitMqInstallation(
                Path.Combine(folder, "rabbitmq-server"), Path.Combine(folder, "rabbitmqctl"), epmd,
                FindProgram("setsid", SearchPath), FindProgram("erl_call", SearchPath.Concat(ErlangFolders)));
    }

    private static IEnumerable<string> SearchPath =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);

    // The scripts proper stand beside rabbitmq-env, which they read. Debian's /usr/sbin/rabbitmq-server does not: it is
    // a wrapper that changes to the user rabbitmq.
    private static bool HoldsServer(string folder) =>
        File.Exists(Path.Combine(folder, "rabbitmq-server"))
        && File.Exists(Path.Combine(folder, "rabbitmqctl"))
        && File.Exists(Path.Combine(folder, "rabbitmq-env"));

    private static string? FindProgram(string name, IEnumerable<string> folders) =>
        folders.Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
}
