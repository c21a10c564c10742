using System.Diagnostics.Metrics;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace SafeAmqp.Hosting;

/// <summary>Fills a client's options from the host: its log, clock and meters, the section, then the connection string.
/// Registered before the delegates of <c>AddSafeAmqp</c>, so these have the last word.</summary>
internal sealed class ConfigureClientOptions(IServiceProvider services, ClientRegistration registration)
    : IConfigureNamedOptions<AmqpClientOptions>
{
    public void Configure(AmqpClientOptions options) => Configure(Options.DefaultName, options);

    public void Configure(string? name, AmqpClientOptions options)
    {
        if (name != registration.OptionsName)
            return;
        if (ReferenceEquals(options.LoggerFactory, NullLoggerFactory.Instance))
            options.LoggerFactory = services.GetService<ILoggerFactory>() ?? NullLoggerFactory.Instance;
        if (ReferenceEquals(options.TimeProvider, TimeProvider.System))
            options.TimeProvider = services.GetService<TimeProvider>() ?? TimeProvider.System;
        options.Telemetry.MeterFactory ??= services.GetService<IMeterFactory>();

        if (registration.Sections.Count > 0)
            registration.Sections.ForEach(section => Apply(options, section));
        else if (services.GetService<IConfiguration>() is { } configuration)
            ApplyDefaults(options, configuration);
    }

    private void ApplyDefaults(AmqpClientOptions options, IConfiguration configuration)
    {
        Apply(options, configuration.GetSection(registration.SectionPath));
        string? connectionString = configuration.GetConnectionString(registration.ConnectionStringName);
        if (!string.IsNullOrEmpty(connectionString))
            options.Uri = connectionString;
    }

    private void Apply(AmqpClientOptions options, IConfiguration section)
    {
        var faults = OptionSection.Apply(options, section, IsOtherClient);
        if (faults.Count > 0)
            throw new OptionsValidationException(registration.OptionsName, typeof(AmqpClientOptions), faults);
    }

    // The section of "eu:orders" is inside that of "eu", and both are inside that of the client without a key.
    private bool IsOtherClient(string key)
    {
        string inner = registration.Key is { } own ? $"{own}:{key}:" : $"{key}:";
        return services.GetServices<ClientRegistration>()
            .Any(other => $"{other.Key}:".StartsWith(inner, StringComparison.OrdinalIgnoreCase));
    }
}

/// <summary>Gives a client with a key a name of its own, so that the broker's management, logs and metrics tell the
/// clients of a process apart.</summary>
internal sealed class NameKeyedClient(IServiceProvider services, ClientRegistration registration)
    : IPostConfigureOptions<AmqpClientOptions>
{
    public void PostConfigure(string? name, AmqpClientOptions options)
    {
        if (registration.Key is { } key && name == registration.OptionsName)
        {
            string application = services.GetService<IHostEnvironment>()?.ApplicationName
                ?? AppDomain.CurrentDomain.FriendlyName;
            options.ClientName ??= $"{application}:{key}";
        }
    }
}

/// <summary>Runs the client's own validation when the host starts.</summary>
internal sealed class ValidateClientOptions(ClientRegistration registration) : IValidateOptions<AmqpClientOptions>
{
    public ValidateOptionsResult Validate(string? name, AmqpClientOptions options)
    {
        if (name != registration.OptionsName)
            return ValidateOptionsResult.Skip;
        try
        {
            options.Validate();
            return ValidateOptionsResult.Success;
        }
        catch (ArgumentException fault)
        {
            return ValidateOptionsResult.Fail($"SafeAmqp client '{registration.DisplayName}': {fault.Message}{Source}");
        }
    }

    private string Source => registration.Sections.Count > 0 ? ""
        : $" Configuration is read from section '{registration.SectionPath}' "
        + $"and 'ConnectionStrings:{registration.ConnectionStringName}'.";
}
