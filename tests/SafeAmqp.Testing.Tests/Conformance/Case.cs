namespace SafeAmqp.Testing.Tests.Conformance;

/// <summary>Something that a client does and what it notes about the broker.</summary>
public sealed record Case(string Name, Func<Stage, Task> Play)
{
    /// <summary>The versions of RabbitMQ do not answer alike.</summary>
    public bool TellsVersions { get; init; }
}
