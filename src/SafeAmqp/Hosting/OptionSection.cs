using System.Diagnostics.Metrics;
using System.Globalization;
using System.Reflection;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace SafeAmqp.Hosting;

/// <summary>Sets the options that a section of configuration names, and says what in it is wrong.</summary>
/// <remarks>The framework's binder can refuse unknown keys as well, but its messages repeat the value, which may be a
/// secret that got into the wrong place. It stops at the first fault, suggests no other name, takes a bare 30 for
/// thirty days and any number for an enum, and does not split a list at commas, as environment variables have
/// it.</remarks>
internal static class OptionSection
{
    private static readonly Dictionary<Type, PropertyInfo[]> Options = new()
    {
        [typeof(AmqpClientOptions)] = typeof(AmqpClientOptions).GetProperties(),
        [typeof(AmqpTlsOptions)] = typeof(AmqpTlsOptions).GetProperties(),
        [typeof(AmqpTelemetryOptions)] = typeof(AmqpTelemetryOptions).GetProperties(),
    };

    /// <summary>Whether a client's key would hide an option in the section <c>SafeAmqp</c>.</summary>
    internal static bool IsOption(string key) => Find(typeof(AmqpClientOptions), key) is not null;

    /// <summary>Sets what the section names. Continues after a fault, so that all of them are reported at
    /// once.</summary>
    /// <param name="options">The options to set.</param>
    /// <param name="section">The section.</param>
    /// <param name="isOtherClient">Whether a key is the section of another client, to be left alone.</param>
    /// <returns>What is wrong.</returns>
    internal static List<string> Apply(AmqpClientOptions options, IConfiguration section,
        Func<string, bool> isOtherClient)
    {
        var faults = new List<string>();
        foreach (IConfigurationSection setting in section.GetChildren().Where(child => !isOtherClient(child.Key)))
            Set(options, setting, faults);
        return faults;
    }

    private static void Set(object options, IConfigurationSection setting, List<string> faults)
    {
        if (Find(options.GetType(), setting.Key) is not { } option)
        {
            faults.Add(Unknown(setting, Settable(options.GetType())));
        }
        else if (FormOf(TypeOf(option)) is not { } form)
        {
            faults.Add($"'{setting.Path}' cannot be set in configuration, only in code.");
        }
        else if (Options.ContainsKey(option.PropertyType) && string.IsNullOrEmpty(setting.Value))
        {
            foreach (IConfigurationSection inner in setting.GetChildren())
                Set(option.GetValue(options)!, inner, faults);
        }
        else if (!IsUnset(setting))
        {
            if (Read(TypeOf(option), setting) is { } value)
                option.SetValue(options, value);
            else
                faults.Add($"'{setting.Path}' must be {form}.");
        }
    }

    private static string Unknown(IConfigurationSection setting, string[] known)
    {
        List<string> near = NearNames.Of(setting.Key, known);
        return near.Count > 0
            ? $"'{setting.Path}' is not an option. Did you mean {string.Join(" or ", near)}?"
            : $"'{setting.Path}' is not an option. The options are {string.Join(", ", known)}.";
    }

    private static PropertyInfo? Find(Type options, string key)
        => Array.Find(Options[options], option => option.Name.Equals(key, StringComparison.OrdinalIgnoreCase));

    private static string[] Settable(Type options)
        => [.. Options[options].Where(option => FormOf(TypeOf(option)) is not null).Select(option => option.Name)];

    /// <summary>Whether there is no value: <c>null</c>, or an environment variable that is set to nothing.</summary>
    private static bool IsUnset(IConfigurationSection setting)
        => string.IsNullOrEmpty(setting.Value) && !setting.GetChildren().Any();

    private static Type TypeOf(PropertyInfo option)
        => Nullable.GetUnderlyingType(option.PropertyType) ?? option.PropertyType;

    /// <summary>What a value of a type looks like; null for objects, which only code can set.</summary>
    private static string? FormOf(Type type)
        => type == typeof(string) ? "one text"
            : type == typeof(IList<string>) ? "a list of texts or one text with commas, not both"
            : type == typeof(bool) ? "true or false"
            : type == typeof(int) || type == typeof(long) ? "a whole number"
            : type == typeof(TimeSpan) ? "a time as hours:minutes:seconds, such as 00:00:30"
            : type.IsEnum ? $"one of {string.Join(", ", Enum.GetNames(type))}"
            : Options.ContainsKey(type) ? $"a section with {string.Join(", ", Settable(type))}"
            : null;

    /// <returns>The value; null when it does not have the type's form.</returns>
    private static object? Read(Type type, IConfigurationSection setting)
    {
        if (type == typeof(IList<string>))
            return List(setting);
        if (setting.Value is not { } text || setting.GetChildren().Any())
            return null;
        if (type == typeof(string))
            return text;
        if (type == typeof(bool))
            return bool.TryParse(text, out bool flag) ? flag : null;
        if (type == typeof(int))
            return int.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out int whole)
                ? whole : null;
        if (type == typeof(long))
            return long.TryParse(text, NumberStyles.Integer, CultureInfo.InvariantCulture, out long number)
                ? number : null;
        if (type == typeof(TimeSpan))
            return text.Contains(':', StringComparison.Ordinal)
                && TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out TimeSpan time) ? time : null;
        string? choice = type.IsEnum ? Array.Find(Enum.GetNames(type),
            name => name.Equals(text, StringComparison.OrdinalIgnoreCase)) : null;
        return choice is null ? null : Enum.Parse(type, choice);
    }

    /// <summary>A list as children (<c>Hosts:0</c>), or in one text with commas.</summary>
    private static List<string>? List(IConfigurationSection setting)
    {
        IConfigurationSection[] items = [.. setting.GetChildren().Where(item => !IsUnset(item))];
        if (items.Any(item => item.Value is null) || (items.Length > 0 && !string.IsNullOrEmpty(setting.Value)))
            return null;
        return items.Length > 0 ? [.. items.Select(item => item.Value!)] : [.. (setting.Value ?? "")
            .Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)];
    }
}

/// <summary>Fills a client's options from the host: its log, clock and meters, the section, then the connection string.
/// Registered before the delegates of <c>AddSafeAmqp</c>, so these have the last word.</summary>
internal sealed class ConfigureClientOptions(IServiceProvider services, ClientRegistration registration)
{
    internal void Configure(AmqpClientOptions options)
    {
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
