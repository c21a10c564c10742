using DotNet.Testcontainers.Builders;
using Testcontainers.RabbitMq;

namespace LocalBroker;

/// <summary>RabbitMQ in a container; Testcontainers' own watcher removes it when this process dies.</summary>
internal sealed class ContainerBroker : IAsyncDisposable
{
    // Long enough to pull the image over a slow line.
    private static readonly TimeSpan StartTimeout = TimeSpan.FromMinutes(5);

    private readonly RabbitMqContainer _container;

    private ContainerBroker(RabbitMqContainer container) => _container = container;

    public Uri Uri => new(_container.GetConnectionString());

    /// <summary>Null when no container engine runs here.</summary>
    public static async Task<ContainerBroker?> TryStartAsync(string image, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(StartTimeout);

        RabbitMqContainer container;
        try
        {
            // Build is what looks for the engine.
            container = new RabbitMqBuilder(image).WithUsername("guest").WithPassword("guest").Build();
        }
        catch (Exception e) when (e is DockerUnavailableException or ArgumentException)
        {
            return null;
        }

        try
        {
            await container.StartAsync(limit.Token);
            return new ContainerBroker(container);
        }
        catch (DockerUnavailableException)
        {
            await container.DisposeAsync();
            return null;
        }
        catch
        {
            await container.DisposeAsync();
            throw;
        }
    }

    public ValueTask DisposeAsync() => _container.DisposeAsync();
}
