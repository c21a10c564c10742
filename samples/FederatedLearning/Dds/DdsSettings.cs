using SampleSettings;

namespace FederatedLearning.Dds;

/// <summary>
/// How server and clients find each other by DDS. Read once, from the environment or any other source of configuration.
/// </summary>
public sealed record DdsSettings
{
    /// <summary>The domain: <c>DDS_DOMAIN</c>. Server and clients must agree.</summary>
    /// <value>0</value>
    public int Domain { get; init; }

    /// <summary>
    /// The network interface: <c>DDS_INTERFACE</c>. On <c>lo</c> nothing leaves the machine. Without effect where
    /// <c>CYCLONEDDS_URI</c>, the library's own setting, is set.
    /// </summary>
    /// <value>lo</value>
    public string Interface { get; init; } = "lo";

    /// <summary>
    /// After how long without a sign of it the others give up a participant that was killed: <c>DDS_LEASE_SECONDS</c>.
    /// Without effect where <c>CYCLONEDDS_URI</c> is set.
    /// </summary>
    /// <value>10 s</value>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a client looks for a server: <c>DDS_CONNECT_SECONDS</c>.</summary>
    /// <value>10 s</value>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a client may take nothing of what is sent to it: <c>DDS_STALL_SECONDS</c>.</summary>
    /// <value>60 s</value>
    public TimeSpan Stall { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Reads the settings.</summary>
    /// <exception cref="InvalidOperationException">A value is not valid; the message names the setting.</exception>
    public static DdsSettings From(Func<string, string?> setting)
    {
        var read = new SettingReader(setting);
        var defaults = new DdsSettings();
        var settings = new DdsSettings
        {
            Domain = read.Whole("DDS_DOMAIN", defaults.Domain, 0, 230),
            Interface = read.Text("DDS_INTERFACE", defaults.Interface),
            Lease = read.Seconds("DDS_LEASE_SECONDS", defaults.Lease, 1, 3600),
            ConnectTimeout = read.Seconds("DDS_CONNECT_SECONDS", defaults.ConnectTimeout, 0.1, 600),
            Stall = read.Seconds("DDS_STALL_SECONDS", defaults.Stall, 0.5, 3600),
        };
        return settings.Interface.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' or ':')
            ? settings
            : throw new InvalidOperationException(
                "DDS_INTERFACE must be the name of a network interface, as lo or eth0.");
    }
}
