using Microsoft.Extensions.Configuration;

namespace SafeAmqp.Hosting;

using Setter = Action<AmqpClientOptions, IConfigurationSection>;

/// <summary>The options that configuration can set. A table and not the binder: the binder skips keys that it does not
/// know, so that a misspelt <c>Heartbeat</c> would go unnoticed, and it cannot leave out what only code can
/// set.</summary>
internal static class OptionKeys
{
    /// <summary>Options that hold objects.</summary>
    internal static readonly string[] CodeOnly =
    [
        nameof(AmqpClientOptions.Credentials),
        nameof(AmqpClientOptions.LoggerFactory),
        nameof(AmqpClientOptions.TimeProvider),
        nameof(AmqpTlsOptions.TrustedRoots),
        nameof(AmqpTlsOptions.ClientCertificates),
        nameof(AmqpTelemetryOptions.MeterFactory),
    ];

    internal static readonly Dictionary<string, Setter> Tls = new(StringComparer.OrdinalIgnoreCase)
    {
        [nameof(AmqpTlsOptions.ServerName)] = (options, section) => options.Tls.ServerName = ConfigValue.Text(section),
        [nameof(AmqpTlsOptions.TrustedRootsFile)] = (options, section)
            => options.Tls.TrustedRootsFile = ConfigValue.Text(section),
        [nameof(AmqpTlsOptions.ClientCertificateFile)] = (options, section)
            => options.Tls.ClientCertificateFile = ConfigValue.Text(section),
        [nameof(AmqpTlsOptions.ClientKeyFile)] = (options, section)
            => options.Tls.ClientKeyFile = ConfigValue.Text(section),
        [nameof(AmqpTlsOptions.PinnedKeys)] = (options, section) => options.Tls.PinnedKeys = ConfigValue.List(section),
        [nameof(AmqpTlsOptions.CheckRevocation)] = (options, section)
            => options.Tls.CheckRevocation = ConfigValue.Flag(section),
    };

    internal static readonly Dictionary<string, Setter> Telemetry = new(StringComparer.OrdinalIgnoreCase)
    {
        [nameof(AmqpTelemetryOptions.HandlersContinueTraces)] = (options, section)
            => options.Telemetry.HandlersContinueTraces = ConfigValue.Flag(section),
        [nameof(AmqpTelemetryOptions.SpanPerMessageOfBatch)] = (options, section)
            => options.Telemetry.SpanPerMessageOfBatch = ConfigValue.Flag(section),
        [nameof(AmqpTelemetryOptions.SettleSpans)] = (options, section)
            => options.Telemetry.SettleSpans = ConfigValue.Flag(section),
        [nameof(AmqpTelemetryOptions.BodySize)] = (options, section)
            => options.Telemetry.BodySize = ConfigValue.Flag(section),
    };

    internal static readonly Dictionary<string, Setter> Client = new(StringComparer.OrdinalIgnoreCase)
    {
        [nameof(AmqpClientOptions.Uri)] = (options, section) => options.Uri = ConfigValue.Text(section),
        [nameof(AmqpClientOptions.Hosts)] = (options, section) => options.Hosts = ConfigValue.List(section),
        [nameof(AmqpClientOptions.VirtualHost)] = (options, section) => options.VirtualHost = ConfigValue.Text(section),
        [nameof(AmqpClientOptions.UserName)] = (options, section) => options.UserName = ConfigValue.Text(section),
        [nameof(AmqpClientOptions.Password)] = (options, section) => options.Password = ConfigValue.Text(section),
        [nameof(AmqpClientOptions.ClientName)] = (options, section) => options.ClientName = ConfigValue.Text(section),
        [nameof(AmqpClientOptions.Layout)] = (options, section)
            => options.Layout = ConfigValue.Choice<ConnectionLayout>(section),
        [nameof(AmqpClientOptions.AllowPlaintext)] = (options, section)
            => options.AllowPlaintext = ConfigValue.Flag(section),
        [nameof(AmqpClientOptions.Heartbeat)] = (options, section) => options.Heartbeat = ConfigValue.Time(section),
        [nameof(AmqpClientOptions.ConnectTimeout)] = (options, section)
            => options.ConnectTimeout = ConfigValue.Time(section),
        [nameof(AmqpClientOptions.FirstConnect)] = (options, section)
            => options.FirstConnect = ConfigValue.Choice<AmqpFirstConnect>(section),
        [nameof(AmqpClientOptions.ReconnectDelay)] = (options, section)
            => options.ReconnectDelay = ConfigValue.Time(section),
        [nameof(AmqpClientOptions.MaxReconnectDelay)] = (options, section)
            => options.MaxReconnectDelay = ConfigValue.Time(section),
        [nameof(AmqpClientOptions.RefusedReconnectDelay)] = (options, section)
            => options.RefusedReconnectDelay = ConfigValue.Time(section),
        [nameof(AmqpClientOptions.PublishTimeout)] = (options, section)
            => options.PublishTimeout = ConfigValue.Time(section),
        [nameof(AmqpClientOptions.OperationTimeout)] = (options, section)
            => options.OperationTimeout = ConfigValue.Time(section),
        [nameof(AmqpClientOptions.MaxPendingMessages)] = (options, section)
            => options.MaxPendingMessages = ConfigValue.Int(section),
        [nameof(AmqpClientOptions.MaxPendingBytes)] = (options, section)
            => options.MaxPendingBytes = ConfigValue.Long(section),
        [nameof(AmqpClientOptions.WhenFull)] = (options, section)
            => options.WhenFull = ConfigValue.Choice<AmqpWhenFull>(section),
        [nameof(AmqpClientOptions.MaxUnconfirmedMessages)] = (options, section)
            => options.MaxUnconfirmedMessages = ConfigValue.Int(section),
        [nameof(AmqpClientOptions.MaxUnconfirmedBytes)] = (options, section)
            => options.MaxUnconfirmedBytes = ConfigValue.Long(section),
        [nameof(AmqpClientOptions.InFlight)] = (options, section)
            => options.InFlight = ConfigValue.Choice<AmqpInFlightPolicy>(section),
        [nameof(AmqpClientOptions.MaxPendingCalls)] = (options, section)
            => options.MaxPendingCalls = ConfigValue.Int(section),
        [nameof(AmqpClientOptions.MaxMessageSize)] = (options, section)
            => options.MaxMessageSize = ConfigValue.Long(section),
        [nameof(AmqpClientOptions.ShutdownTimeout)] = (options, section)
            => options.ShutdownTimeout = ConfigValue.Time(section),
    };

    /// <summary>Sections in the section.</summary>
    internal static readonly Dictionary<string, Dictionary<string, Setter>> Sections =
        new(StringComparer.OrdinalIgnoreCase)
        {
            [nameof(AmqpClientOptions.Tls)] = Tls,
            [nameof(AmqpClientOptions.Telemetry)] = Telemetry,
        };

    /// <summary>Whether a client's key would hide an option in the section <c>SafeAmqp</c>.</summary>
    internal static bool IsOption(string key)
        => Client.ContainsKey(key) || Sections.ContainsKey(key)
            || CodeOnly.Contains(key, StringComparer.OrdinalIgnoreCase);
}
