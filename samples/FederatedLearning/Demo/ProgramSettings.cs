using System.Globalization;
using LocalBroker;

namespace FederatedLearning.Demo;

/// <summary>
/// What a server and its clients are told that are started as programs: brokers, ports and a domain that nothing else
/// uses.
/// </summary>
internal static class ProgramSettings
{
    /// <summary>Settings for a run of several programs on this machine, by their names.</summary>
    /// <param name="broker">The broker for AMQP; null where there is none.</param>
    /// <param name="name">What this run's queues are called after, on a broker that others use, too.</param>
    public static Dictionary<string, string> For(ChosenBroker? broker, string name)
    {
        string[] ports = [.. FreePorts.Take(3).Select(port => port.ToString(CultureInfo.InvariantCulture))];
        var all = new Dictionary<string, string>
        {
            ["MQTT_PORT"] = ports[0],
            ["GRPC_PORT"] = ports[1],
            ["QUIC_PORT"] = ports[2],
            // Another for each run that there may be at once.
            ["DDS_DOMAIN"] = (Environment.ProcessId % 200).ToString(CultureInfo.InvariantCulture),
            ["ASPNETCORE_URLS"] = "http://127.0.0.1:0",
            ["DOTNET_gcServer"] = "0", // several processes share the machine
        };
        if (broker is null)
            return all;
        string[] login = broker.Uri.UserInfo.Split(':', 2);
        all["AMQP_HOST"] = broker.Uri.Host;
        all["AMQP_PORT"] = (broker.Uri.Port > 0 ? broker.Uri.Port : 5672).ToString(CultureInfo.InvariantCulture);
        all["AMQP_USER"] = login[0].Length > 0 ? Uri.UnescapeDataString(login[0]) : "guest";
        all["AMQP_PASSWORD"] = login.Length > 1 ? Uri.UnescapeDataString(login[1]) : "guest";
        all["AMQP_VHOST"] =
            broker.Uri.AbsolutePath.Trim('/') is { Length: > 0 } host ? Uri.UnescapeDataString(host) : "/";
        // Queues of our own, which expire when they have not been used for a minute.
        all["AMQP_NAME_PREFIX"] = broker.IsOwned ? "" : $"{name}-{Environment.ProcessId}.";
        all["AMQP_QUEUE_EXPIRES_SECONDS"] = "60";
        return all;
    }

    /// <summary>What a command line sets: <c>NAME=value</c>.</summary>
    public static Dictionary<string, string> Given(string[] arguments)
        => arguments.Select(argument => argument.Split('=', 2)).Where(parts => parts.Length == 2)
            .GroupBy(parts => parts[0]).ToDictionary(said => said.Key, said => said.Last()[1]);
}
