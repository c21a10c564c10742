namespace LocalBroker.Node;

/// <summary>
/// The programs that a private node needs, as paths inside <paramref name="Root"/>: <c>/</c>, or a folder that holds a
/// whole system. <paramref name="SetSid"/> alone is the machine's. <paramref name="Call"/> is Erlang's <c>erl_call</c>,
/// which not every installation has.
/// </summary>
internal sealed record RabbitMqInstallation(
    string Root, string Server, string Control, string Epmd, string? SetSid, string? Call)
{
    public const string Machine = "/";

    // Debian and RPM; the official image; Homebrew on Apple and on Intel processors.
    private static readonly string[] ServerFolders =
    [
        "/usr/lib/rabbitmq/bin", "/opt/rabbitmq/sbin", "/opt/homebrew/opt/rabbitmq/sbin",
        "/usr/local/opt/rabbitmq/sbin",
    ];

    private static readonly string[] ProgramFolders =
    [
        "/usr/bin", "/usr/lib/erlang/bin", "/usr/lib64/erlang/bin", "/opt/erlang/lib/erlang/bin",
        "/opt/homebrew/bin", "/usr/local/bin",
    ];

    private static readonly string EnterScript = Resource("enter.sh");

    /// <summary>
    /// The one that the options name, else the one that the environment names, else the machine's own; null when that
    /// has none.
    /// </summary>
    /// <exception cref="BrokerUnavailableException">The environment names a folder that holds none.</exception>
    /// <exception cref="ArgumentException">The options name a folder that holds none.</exception>
    public static RabbitMqInstallation? Find(PrivateRabbitMqNodeOptions options)
    {
        string root = NamedRoot(options) ?? Machine;
        if (FindIn(root) is { } found) return found;
        if (root == Machine) return null;

        string wrong = OperatingSystem.IsLinux()
            ? "must be the absolute path of a folder with a system that has RabbitMQ installed, "
                + $"as eng/rabbitmq-4 makes it, but is '{root}'."
            : "needs Linux, whose mount namespaces show a node its own files.";
        throw options.Root is null
            ? new BrokerUnavailableException(
                $"{PrivateRabbitMqNodeOptions.RootVariable} {wrong}", PrivateRabbitMqNodeOptions.RootVariable)
            : new ArgumentException($"{nameof(options.Root)} {wrong}", nameof(options));
    }

    /// <summary>The folder that the options name, else the one that the environment names.</summary>
    public static string? NamedRoot(PrivateRabbitMqNodeOptions options)
    {
        string? named = Environment.GetEnvironmentVariable(PrivateRabbitMqNodeOptions.RootVariable);
        return options.Root ?? (string.IsNullOrWhiteSpace(named) ? null : named);
    }

    /// <summary>
    /// Null when RabbitMQ is not installed there, or where there is no POSIX shell to guard it (Windows).
    /// </summary>
    public static RabbitMqInstallation? FindIn(string root)
    {
        bool isMachine = root == Machine;
        bool canRun = isMachine ? !OperatingSystem.IsWindows() : OperatingSystem.IsLinux();
        if (!canRun || !Path.IsPathRooted(root)) return null;

        string[] searchPath = isMachine ? SearchPath : [];
        var programFolders = searchPath.Concat(ProgramFolders).ToList();
        string? folder = ServerFolders.Concat(searchPath).FirstOrDefault(HoldsServer);
        string? epmd = FindProgram("epmd");
        return folder is null || epmd is null
            ? null
            : new RabbitMqInstallation(
                root, Path.Combine(folder, "rabbitmq-server"), Path.Combine(folder, "rabbitmqctl"), epmd,
                SearchPath.Select(path => Path.Combine(path, "setsid")).FirstOrDefault(File.Exists),
                FindProgram("erl_call"));

        // The scripts proper stand beside rabbitmq-env, which they read. Debian's /usr/sbin/rabbitmq-server does not:
        // it is a wrapper that changes to the user rabbitmq.
        bool HoldsServer(string folder) =>
            Exists(Path.Combine(folder, "rabbitmq-server"))
            && Exists(Path.Combine(folder, "rabbitmqctl"))
            && Exists(Path.Combine(folder, "rabbitmq-env"));

        string? FindProgram(string name) =>
            programFolders.Select(folder => Path.Combine(folder, name)).FirstOrDefault(Exists);

        bool Exists(string path) => File.Exists(root + path);
    }

    /// <summary>
    /// The words that run a program of this installation, to be put before its own. In a folder of its own it sees that
    /// as the root of all files, with the machine's <c>/proc</c>, <c>/dev</c> and temporary files in it, by mounts that
    /// only it and its children see and that end with the last of them. It keeps the process that it was started as.
    /// </summary>
    public IReadOnlyList<string> Enter(NodeFolder folder)
    {
        if (Root == Machine) return [];

        // A user other than root may mount in a user namespace, where the system allows that.
        string[] asRoot = Environment.IsPrivilegedProcess ? [] : ["--user", "--map-root-user"];
        return
        [
            "unshare", .. asRoot, "--mount", "--propagation", "slave",
            "/bin/sh", "-c", EnterScript, "enter", Root, Path.GetDirectoryName(folder.Root)!,
        ];
    }

    /// <summary>A program of this installation, as a node in this folder runs it.</summary>
    public Command Command(NodeFolder folder, string program, params IReadOnlyList<string> arguments) =>
        new(folder, Enter(folder), program, arguments);

    /// <summary>A script that is part of this assembly.</summary>
    public static string Resource(string name)
    {
        using var stream = typeof(RabbitMqInstallation).Assembly.GetManifestResourceStream(name)!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private static string[] SearchPath => (Environment.GetEnvironmentVariable("PATH") ?? "")
        .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries);
}
