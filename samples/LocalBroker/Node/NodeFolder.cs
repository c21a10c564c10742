using System.Globalization;
using System.Security.Cryptography;

namespace LocalBroker.Node;

/// <summary>
/// Everything a node reads and writes, in one temporary folder, and the environment that points there.
/// </summary>
internal sealed class NodeFolder
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    // An Erlang crash report alone takes 20 lines, and the cause stands above it.
    private const int LogLines = 80;
    private static int _count;

    private readonly int _distributionPort;
    private readonly PrivateRabbitMqNodeOptions _options;

    /// <param name="options">The node's settings.</param>
    /// <param name="beside">The folder of a node whose epmd and cookie this one uses; null for its own.</param>
    public NodeFolder(PrivateRabbitMqNodeOptions options, NodeFolder? beside = null)
    {
        _options = options;
        Cookie = beside?.Cookie ?? RandomNumberGenerator.GetHexString(40);
        RunsEpmd = beside is null;
        Name = $"rel-{Environment.ProcessId}-{Interlocked.Increment(ref _count)}@localhost";
        if (FreePorts.Take(3) is not [var port, var distribution, var epmd]) throw new InvalidOperationException();
        (Port, _distributionPort, EpmdPort) = (port, distribution, beside?.EpmdPort ?? epmd);
        Root = Directory.CreateTempSubdirectory("safeamqp-node-").FullName;
    }

    public string Root { get; }
    public string Name { get; }
    public int Port { get; }
    public int EpmdPort { get; }
    public bool RunsEpmd { get; }
    private string Cookie { get; }
    public string MemoryLimit => $"{_options.MemoryLimitMegabytes.ToString(CultureInfo.InvariantCulture)}MB";

    /// <summary>Written by the guard when the node has ended.</summary>
    public bool HasEnded => File.Exists(In("beam.exit"));

    /// <summary>The last lines of every log, for the message of an exception.</summary>
    public string LogTail()
    {
        try
        {
            return string.Join(Environment.NewLine, Directory.EnumerateFiles(In("log"))
                .SelectMany(file => ReadShared(file).TakeLast(LogLines).Prepend($"--- {Path.GetFileName(file)}")));
        }
        catch (IOException e)
        {
            return e.Message;
        }
    }

    public void Write()
    {
        Directory.CreateDirectory(In("log"));
        Directory.CreateDirectory(In("mnesia"));
        var home = OperatingSystem.IsWindows()
            ? Directory.CreateDirectory(In("home"))
            : Directory.CreateDirectory(In("home"), OwnerOnly);
        WriteCookie(Path.Combine(home.FullName, ".erlang.cookie"), Cookie);
        File.WriteAllLines(In("rabbitmq.conf"), Configuration());
        File.WriteAllText(In("advanced.config"), AdvancedConfiguration());
        File.WriteAllText(In("enabled_plugins"), $"[{string.Join(',', _options.Plugins)}].\n");
        // Empty, but named in the environment: keeps the machine's own settings in /etc/rabbitmq out.
        File.WriteAllText(In("rabbitmq-env.conf"), "");
    }

    public Dictionary<string, string> Variables()
    {
        string erlang = string.Create(CultureInfo.InvariantCulture,
            $"+S {_options.Schedulers}:{_options.Schedulers} {SpinFlags()} -kernel "
                + $"inet_dist_use_interface {{127,0,0,1}}");
        return new Dictionary<string, string>
        {
            ["HOME"] = In("home"),
            ["ERL_EPMD_PORT"] = EpmdPort.ToString(CultureInfo.InvariantCulture),
            ["ERL_EPMD_ADDRESS"] = "127.0.0.1",
            // The guard runs epmd. One that Erlang starts by itself would outlive everything.
            ["ERL_AFLAGS"] = "-start_epmd false",
            ["ERL_CRASH_DUMP"] = In("erl_crash.dump"),
            ["ERL_CRASH_DUMP_SECONDS"] = "0",
            ["ELIXIR_ERL_OPTIONS"] = "+fnu",
            ["RABBITMQ_NODENAME"] = Name,
            ["RABBITMQ_DIST_PORT"] = _distributionPort.ToString(CultureInfo.InvariantCulture),
            ["RABBITMQ_MNESIA_BASE"] = In("mnesia"),
            ["RABBITMQ_LOG_BASE"] = In("log"),
            ["RABBITMQ_PID_FILE"] = In("rabbitmq.pid"),
            ["RABBITMQ_CONFIG_FILE"] = In("rabbitmq.conf"),
            ["RABBITMQ_ADVANCED_CONFIG_FILE"] = In("advanced.config"),
            ["RABBITMQ_CONF_ENV_FILE"] = In("rabbitmq-env.conf"),
            ["RABBITMQ_ENABLED_PLUGINS_FILE"] = In("enabled_plugins"),
            ["RABBITMQ_GENERATED_CONFIG_DIR"] = In("generated"),
            ["RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS"] = erlang,
            ["RABBITMQ_CTL_ERL_ARGS"] = "+S 1:1 +sbwt none +sbwtdcpu none +sbwtdio none",
            // Makes the start script become the node (exec) instead of staying as its parent, so there is one pid.
            ["RUNNING_UNDER_SYSTEMD"] = "true",
        };
    }

    private string SpinFlags() => _options.BusyWait
        // Erlang's own defaults; RabbitMQ's start script turns them off.
        ? "+sbwt medium +sbwtdcpu short +sbwtdio short"
        : "+sbwt none +sbwtdcpu none +sbwtdio none";

    private string In(string name) => Path.Combine(Root, name);

    private IEnumerable<string> Configuration()
    {
        yield return $"listeners.tcp.1 = 127.0.0.1:{Port.ToString(CultureInfo.InvariantCulture)}";
        yield return $"vm_memory_high_watermark.absolute = {MemoryLimit}";
        yield return "disk_free_limit.absolute "
            + $"= {_options.DiskFreeLimitMegabytes.ToString(CultureInfo.InvariantCulture)}MB";
        yield return "log.console = false";
        yield return "log.file.level = info";
        if (_options.ConsumerTimeout is { } timeout) yield return $"consumer_timeout = {Milliseconds(timeout)}";
        if (_options.MaxMessageSize is { } size)
            yield return $"max_message_size = {size.ToString(CultureInfo.InvariantCulture)}";
        foreach (string line in _options.ConfigurationLines) yield return line;
    }

    private string AdvancedConfiguration() => _options.ChannelTickInterval is { } interval
        ? $"[{{rabbit,[{{channel_tick_interval,{Milliseconds(interval)}}}]}}].\n"
        : "[].\n";

    private static string Milliseconds(TimeSpan time)
        => ((long)time.TotalMilliseconds).ToString(CultureInfo.InvariantCulture);

    // Erlang accepts a cookie only when its owner alone can read it.
    private static void WriteCookie(string path, string cookie)
    {
        File.WriteAllText(path, cookie);
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, UnixFileMode.UserRead);
    }

    private static List<string> ReadShared(string file)
    {
        using var stream = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        using var reader = new StreamReader(stream);
        return [.. reader.ReadToEnd().Split('\n', StringSplitOptions.RemoveEmptyEntries)];
    }
}
