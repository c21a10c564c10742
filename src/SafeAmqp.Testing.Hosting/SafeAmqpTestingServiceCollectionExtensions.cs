using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using SafeAmqp;
using SafeAmqp.Testing;
using SafeAmqp.Testing.Hosting;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Connects the clients of a host under test to a broker inside the process.</summary>
/// <remarks>
/// <para>Every client that <c>AddSafeAmqp</c> and <c>AddKeyedSafeAmqp</c> registered, before or after, connects to the
/// embedded broker, whatever address, account and TLS settings its configuration names; its other options stay as they
/// are, as do the other parameters of its URI. Each keeps its virtual host, which the broker has, with all rights
/// unless the test has set some. A client that the program makes itself is not reached.</para>
/// <para>Call it after the services of the application: in <c>ConfigureTestServices</c> of a
/// <c>WebApplicationFactory</c>, or before the builder of another host builds. When it is called again, the last call
/// counts.</para>
/// <para>The broker is a singleton service, <see cref="AmqpTestBroker"/>: a test takes it from the host's services to
/// look at it, to make it fail, or to connect a client of its own to <see cref="AmqpTestBroker.Uri"/>.</para>
/// </remarks>
public static class SafeAmqpTestingServiceCollectionExtensions
{
    /// <summary>Starts a broker as RabbitMQ 4.0 with the first client of a host, and ends it with the host. Hosts of
    /// the same services have a broker each.</summary>
    /// <param name="services">The services of the host under test.</param>
    /// <returns>The services.</returns>
    public static IServiceCollection AddSafeAmqpTesting(this IServiceCollection services)
        => services.AddSafeAmqpTesting(static _ => { });

    /// <summary>Starts a broker with the first client of a host, and ends it with the host. Hosts of the same services
    /// have a broker each.</summary>
    /// <param name="services">The services of the host under test.</param>
    /// <param name="configure">Sets up the broker.</param>
    /// <returns>The services.</returns>
    public static IServiceCollection AddSafeAmqpTesting(this IServiceCollection services,
        Action<AmqpTestBrokerOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configure);
        return services.UseTestBroker().AddSingleton(_ =>
        {
            var options = new AmqpTestBrokerOptions();
            configure(options);
            // Nothing here is slow or waits for a caller: the broker binds a port of the loopback address.
            return AmqpTestBroker.StartAsync(options).GetAwaiter().GetResult();
        });
    }

    /// <summary>Takes a broker that runs already: for several hosts that talk to each other, or for one that is started
    /// again. The host does not end it.</summary>
    /// <param name="services">The services of the host under test.</param>
    /// <param name="broker">The broker.</param>
    /// <returns>The services.</returns>
    public static IServiceCollection AddSafeAmqpTesting(this IServiceCollection services, AmqpTestBroker broker)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(broker);
        return services.UseTestBroker().AddSingleton(broker);
    }

    private static IServiceCollection UseTestBroker(this IServiceCollection services)
    {
        services.TryAddEnumerable(
            ServiceDescriptor.Singleton<IPostConfigureOptions<AmqpClientOptions>, ConnectToTestBroker>());
        return services;
    }
}
