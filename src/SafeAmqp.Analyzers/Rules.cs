using Microsoft.CodeAnalysis;

namespace SafeAmqp.Analyzers;

/// <summary>The rules; docs/analyzers.md explains them.</summary>
public static class Rules
{
    private const string Page = "https://github.com/safeamqp/safeamqp/blob/main/docs/analyzers.md#";

    /// <summary>A topology is immutable: without its result a call has no effect.</summary>
    public static readonly DiagnosticDescriptor TopologyDropped = new(
        "SAFEAMQP001",
        "The result of a topology's method is dropped",
        "AmqpTopology is immutable: '{0}' returns a new topology, which is dropped here",
        "Usage", DiagnosticSeverity.Warning, isEnabledByDefault: true, helpLinkUri: Page + "safeamqp001");

    /// <summary>What is not awaited may fail unseen.</summary>
    public static readonly DiagnosticDescriptor NotAwaited = new(
        "SAFEAMQP002",
        "The outcome of an operation is not awaited",
        "The outcome of '{0}' is not awaited: if it fails, nothing tells",
        "Reliability", DiagnosticSeverity.Warning, isEnabledByDefault: true, helpLinkUri: Page + "safeamqp002");

    /// <summary>An exception of an async void method ends the process.</summary>
    public static readonly DiagnosticDescriptor AsyncVoid = new(
        "SAFEAMQP003",
        "A handler is async void",
        "'{0}' does not wait for an async void handler: an exception after its first await ends the process",
        "Reliability", DiagnosticSeverity.Warning, isEnabledByDefault: true, helpLinkUri: Page + "safeamqp003");

    /// <summary>A handler works on when its delivery is somebody else's already.</summary>
    public static readonly DiagnosticDescriptor TokenIgnored = new(
        "SAFEAMQP004",
        "A handler ignores the token of its delivery",
        "'{0}' fires when the delivery is lost and will be handled again; what is awaited here goes on without it",
        "Reliability", DiagnosticSeverity.Info, isEnabledByDefault: true, helpLinkUri: Page + "safeamqp004");
}
