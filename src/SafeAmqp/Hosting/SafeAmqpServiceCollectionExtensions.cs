using Microsoft.Extensions.Configuration;
using SafeAmqp;
using SafeAmqp.Hosting;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers clients with a host.</summary>
/// <remarks>
/// <para>Nothing here connects, and no factory blocks or does I/O: the host connects when it starts, without waiting
/// for the broker unless
/// <see cref="SafeAmqpBuilder.WaitForConnection"/> says so.</para>
/// <para>Each client is registered once; a further call with the same key adds to it. Registered are:</para>
/// <list type="bullet">
/// <item><see cref="IAmqpClient"/>, singleton, unless there is one already. With a key: keyed. The host disposes it
/// when it stops, however it was created.</item>
/// <item>Named <see cref="AmqpClientOptions"/> (the name is the key), validated when the host starts. Configuration
/// that names an unknown option, or gives one a value that does not parse, stops the start with a message that names
/// the key.</item>
/// <item>A hosted service that connects, declares the topology, starts and stops consumers and servers.</item>
/// <item>What is added on the returned builder; classes of handlers are scoped services.</item>
/// </list>
/// <para>Options are set in this order, the later winning: the host's <c>ILoggerFactory</c> and
/// <see cref="TimeProvider"/>; the configuration section; the connection string, which sets
/// <see cref="AmqpClientOptions.Uri"/>; the delegate.</para>
/// </remarks>
public static class SafeAmqpServiceCollectionExtensions
{
    /// <summary>Adds a client with the options of section <c>SafeAmqp</c> and of
    /// <c>ConnectionStrings:SafeAmqp</c>.</summary>
    /// <param name="services">The services.</param>
    /// <returns>A builder for topology, consumers and servers.</returns>
    public static SafeAmqpBuilder AddSafeAmqp(this IServiceCollection services) => Register(services, null, null, null);

    /// <summary>Adds a client with the options of section <c>SafeAmqp</c> and of <c>ConnectionStrings:SafeAmqp</c>,
    /// where there are any, and those set here.</summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Sets options, after the configuration.</param>
    /// <returns>A builder for topology, consumers and servers.</returns>
    public static SafeAmqpBuilder AddSafeAmqp(this IServiceCollection services, Action<AmqpClientOptions> configure)
        => Register(services, null, null, NotNull(configure));

    /// <summary>Adds a client with the options of one section. No other configuration is read, connection strings
    /// neither.</summary>
    /// <param name="services">The services.</param>
    /// <param name="section">The section.</param>
    /// <returns>A builder for topology, consumers and servers.</returns>
    public static SafeAmqpBuilder AddSafeAmqp(this IServiceCollection services, IConfiguration section)
        => Register(services, null, NotNull(section), null);

    /// <summary>Adds a keyed client with the options of section <c>SafeAmqp:{key}</c> and of
    /// <c>ConnectionStrings:{key}</c>. It inherits nothing from section <c>SafeAmqp</c>: a missing address must not
    /// send it to another client's broker.</summary>
    /// <param name="services">The services.</param>
    /// <param name="key">The key of the <see cref="IAmqpClient"/>. Part of the client's default name.</param>
    /// <returns>A builder for topology, consumers and servers.</returns>
    /// <exception cref="ArgumentException">The key is empty or the name of an option.</exception>
    public static SafeAmqpBuilder AddKeyedSafeAmqp(this IServiceCollection services, string key)
        => Register(services, Checked(key), null, null);

    /// <summary>Adds a keyed client with the options of section <c>SafeAmqp:{key}</c> and of
    /// <c>ConnectionStrings:{key}</c>, where there are any, and those set here.</summary>
    /// <param name="services">The services.</param>
    /// <param name="key">The key of the <see cref="IAmqpClient"/>. Part of the client's default name.</param>
    /// <param name="configure">Sets options, after the configuration.</param>
    /// <returns>A builder for topology, consumers and servers.</returns>
    /// <exception cref="ArgumentException">The key is empty or the name of an option.</exception>
    public static SafeAmqpBuilder AddKeyedSafeAmqp(this IServiceCollection services, string key,
        Action<AmqpClientOptions> configure)
        => Register(services, Checked(key), null, NotNull(configure));

    /// <summary>Adds a keyed client with the options of one section. No other configuration is read, connection strings
    /// neither.</summary>
    /// <param name="services">The services.</param>
    /// <param name="key">The key of the <see cref="IAmqpClient"/>. Part of the client's default name.</param>
    /// <param name="section">The section.</param>
    /// <returns>A builder for topology, consumers and servers.</returns>
    /// <exception cref="ArgumentException">The key is empty or the name of an option.</exception>
    public static SafeAmqpBuilder AddKeyedSafeAmqp(this IServiceCollection services, string key, IConfiguration section)
        => Register(services, Checked(key), NotNull(section), null);

    private static SafeAmqpBuilder Register(IServiceCollection services, string? key, IConfiguration? section,
        Action<AmqpClientOptions>? configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        var registration = ClientRegistration.FindOrAdd(services, key);
        if (section is not null)
            registration.Sections.Add(section);
        if (configure is not null)
            services.Configure(registration.OptionsName, configure);
        return new SafeAmqpBuilder(services, registration);
    }

    private static T NotNull<T>(T value,
        [System.Runtime.CompilerServices.CallerArgumentExpression(nameof(value))] string name = "") where T : class
    {
        ArgumentNullException.ThrowIfNull(value, name);
        return value;
    }

    private static string Checked(string key)
    {
        Check.Name(key, nameof(key));
        if (Array.Find(key.Split(':'), OptionSection.IsOption) is { } option)
            throw new ArgumentException($"key must not be or contain the name of an option, '{option}': its section "
                + $"would be taken for the option.", nameof(key));
        return key;
    }
}
