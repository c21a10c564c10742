using LocalBroker.Node;

namespace LocalBroker;

/// <summary>A RabbitMQ broker for samples, tests and benchmarks: found, or started and then owned.</summary>
public sealed class RabbitMqBroker : IAsyncDisposable
{
    /// <summary>The environment variables that name a broker, first one first.</summary>
    public static IReadOnlyList<string> Variables { get; } = ["SAFEAMQP_TEST_URI", "RABBITMQ_URL"];

    private readonly IAsyncDisposable? _owned;

    private RabbitMqBroker(Uri uri, Version? version, string origin, IAsyncDisposable? owned = null)
    {
        Uri = uri;
        Version = version;
        Origin = version is null ? $"RabbitMQ, {origin}" : $"RabbitMQ {version}, {origin}";
        _owned = owned;
    }

    /// <summary>Where the broker listens, with user and password.</summary>
    public Uri Uri { get; }

    /// <summary>The version of RabbitMQ; null where it was not asked: on a TLS port, and of a container.</summary>
    public Version? Version { get; }

    /// <summary>What the broker is and where it comes from: "RabbitMQ 4.0.5, from SAFEAMQP_TEST_URI".</summary>
    public string Origin { get; }

    /// <summary>Whether disposing this object ends the broker.</summary>
    public bool IsOwned => _owned is not null;

    /// <summary>Whether <see cref="Node"/> is there to make the broker fail.</summary>
    public bool CanControl => Node is not null;

    /// <summary>The private node behind this broker; null for every other kind.</summary>
    public PrivateRabbitMqNode? Node => _owned as PrivateRabbitMqNode;

    /// <summary>
    /// The broker named by the environment, else the one on localhost unless a
    /// <see cref="PrivateRabbitMqNodeOptions.Root"/> is named, else a private node, else a container where an engine
    /// for it answers.
    /// </summary>
    /// <exception cref="BrokerUnavailableException">There is none, or the one named does not answer.</exception>
    /// <exception cref="PrivateRabbitMqNodeException">RabbitMQ is installed but its node did not start.</exception>
    public static async Task<RabbitMqBroker> FindOrStartAsync(
        RabbitMqBrokerOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new RabbitMqBrokerOptions();
        return await FromEnvironmentAsync(options, cancellationToken)
            ?? await OnLocalhostAsync(options, cancellationToken)
            ?? await PrivateNodeAsync(options, cancellationToken)
            ?? await ContainerAsync(options, cancellationToken)
            ?? throw new BrokerUnavailableException(HowToGetOne);
    }

    /// <summary>Ends the broker if it is owned; else does nothing.</summary>
    public ValueTask DisposeAsync() => _owned?.DisposeAsync() ?? ValueTask.CompletedTask;

    internal static string HowToGetOne =>
        "There is no RabbitMQ broker: install one (apt-get install rabbitmq-server), start one "
        + "(docker run -d -p 5672:5672 rabbitmq:4.0), have eng/rabbitmq-4 make a folder with one and name it in "
        + $"{PrivateRabbitMqNodeOptions.RootVariable}, or set SAFEAMQP_TEST_URI to one "
        + "(amqp://user:password@host:5672/).";

    private static async Task<RabbitMqBroker?> FromEnvironmentAsync(
        RabbitMqBrokerOptions options, CancellationToken cancellationToken)
    {
        foreach (string variable in Variables)
        {
            string? text = Environment.GetEnvironmentVariable(variable);
            if (string.IsNullOrWhiteSpace(text)) continue;

            if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Scheme is not ("amqp" or "amqps"))
                throw new BrokerUnavailableException(
                    $"{variable} is not a URI of the form amqp://user:password@host:5672/.", variable);

            // A broker that was asked for by name is never silently replaced by another one.
            var (failure, version) =
                await AmqpHandshake.AskAsync(uri, logIn: true, options.ProbeTimeout, cancellationToken);
            return failure is null
                ? new RabbitMqBroker(uri, version, $"from {variable}")
                : throw new BrokerUnavailableException(
                    $"{variable} names {uri.Scheme}://{uri.Host}:{AmqpHandshake.PortOf(uri)}, but no broker can "
                        + $"be used there: {failure}.",
                    variable);
        }

        return null;
    }

    private static async Task<RabbitMqBroker?> OnLocalhostAsync(
        RabbitMqBrokerOptions options, CancellationToken cancellationToken)
    {
        if (options.LocalhostPort is not { } port) return null;
        if (RabbitMqInstallation.NamedRoot(options.Node) is not null) return null;

        // The login is part of the question: a broker of somebody else, without the user guest, is of no use here.
        var uri = new Uri($"amqp://guest:guest@localhost:{port}/");
        var (failure, version) =
            await AmqpHandshake.AskAsync(uri, logIn: true, options.ProbeTimeout, cancellationToken);
        return failure is null ? new RabbitMqBroker(uri, version, $"on localhost:{port}") : null;
    }

    private static async Task<RabbitMqBroker?> PrivateNodeAsync(
        RabbitMqBrokerOptions options, CancellationToken cancellationToken)
    {
        if (RabbitMqInstallation.Find(options.Node) is null) return null;

        var node = await PrivateRabbitMqNode.StartAsync(options.Node, cancellationToken);
        return new RabbitMqBroker(node.Uri, node.Version, $"private node {node.Name}", node);
    }

    private static async Task<RabbitMqBroker?> ContainerAsync(
        RabbitMqBrokerOptions options, CancellationToken cancellationToken)
    {
        var container = await ContainerBroker.TryStartAsync(options.ContainerImage, cancellationToken);
        return container is null
            ? null
            : new RabbitMqBroker(container.Uri, version: null, $"container of {options.ContainerImage}", container);
    }
}
