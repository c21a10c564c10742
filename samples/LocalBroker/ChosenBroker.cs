using SafeAmqp.Testing;

namespace LocalBroker;

/// <summary>
/// The broker of a demonstration or a test run: the one that somebody named, else the embedded one, so that both run on
/// a machine that has nothing but the .NET SDK, do the same on every machine, and touch no broker that happens to run
/// there.
/// </summary>
public sealed class ChosenBroker : IAsyncDisposable
{
    /// <summary>
    /// <c>rabbitmq</c> or <c>embedded</c>. Unset, a URI in <see cref="RabbitMqBroker.Variables"/>, a folder in
    /// <see cref="PrivateRabbitMqNodeOptions.RootVariable"/> or <c>CI=true</c> stand for <c>rabbitmq</c>.
    /// </summary>
    public const string Variable = "SAFEAMQP_TEST_BROKER";

    private readonly RabbitMqBroker? _rabbitMq;

    private ChosenBroker(RabbitMqBroker rabbitMq) => _rabbitMq = rabbitMq;

    private ChosenBroker(AmqpTestBroker embedded) => Embedded = embedded;

    /// <summary>
    /// Whether RabbitMQ was asked for; a run that was meant to prove something on it never falls back to another
    /// broker.
    /// </summary>
    /// <exception cref="BrokerUnavailableException">The variable says neither.</exception>
    public static bool IsRabbitMq => Environment.GetEnvironmentVariable(Variable) switch
    {
        "rabbitmq" => true,
        "embedded" => false,
        null or "" => IsCi || RabbitMqBroker.Variables.Append(PrivateRabbitMqNodeOptions.RootVariable)
            .Any(name => !string.IsNullOrWhiteSpace(Environment.GetEnvironmentVariable(name))),
        _ => throw new BrokerUnavailableException($"{Variable} is neither 'rabbitmq' nor 'embedded'.", Variable),
    };

    /// <summary>Where the broker listens, with user and password.</summary>
    public Uri Uri => Embedded?.Uri ?? _rabbitMq!.Uri;

    /// <summary>What it is and where it comes from, for people.</summary>
    public string Description => _rabbitMq?.Origin ?? "Broker embedded in this process (SafeAmqp.Testing)";

    /// <summary>Whether disposing this object ends the broker.</summary>
    public bool IsOwned => _rabbitMq?.IsOwned ?? true;

    /// <summary>The embedded broker; null when it is RabbitMQ.</summary>
    public AmqpTestBroker? Embedded { get; }

    /// <summary>Starts or finds the broker that is asked for.</summary>
    /// <exception cref="BrokerUnavailableException">RabbitMQ was asked for and there is none.</exception>
    public static async Task<ChosenBroker> FindOrStartAsync(CancellationToken cancellationToken = default) => IsRabbitMq
        ? new ChosenBroker(await RabbitMqBroker.FindOrStartAsync(cancellationToken: cancellationToken))
        : new ChosenBroker(await AmqpTestBroker.StartAsync(cancellationToken: cancellationToken));

    /// <summary>Ends the broker if it is owned; else does nothing.</summary>
    public ValueTask DisposeAsync() => _rabbitMq?.DisposeAsync() ?? Embedded!.DisposeAsync();

    private static bool IsCi => Environment.GetEnvironmentVariable("CI") is "true" or "1";
}
