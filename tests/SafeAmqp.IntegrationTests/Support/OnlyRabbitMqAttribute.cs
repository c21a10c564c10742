using Xunit.v3;

namespace SafeAmqp.IntegrationTests.Support;

/// <summary>
/// What only RabbitMQ can serve, with the reason. CI leaves it out of the run on the embedded broker by its trait; at a
/// desk it is skipped there.
/// </summary>
[AttributeUsage(AttributeTargets.Class | AttributeTargets.Method)]
public sealed class OnlyRabbitMqAttribute(string because) : Attribute, ITraitAttribute
{
    public string Because => because;

    public IReadOnlyCollection<KeyValuePair<string, string>> GetTraits() => [new("Broker", "OnlyRabbitMq")];
}
