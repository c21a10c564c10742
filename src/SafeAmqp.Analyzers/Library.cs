using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Operations;

namespace SafeAmqp.Analyzers;

/// <summary>Tells what belongs to the library.</summary>
internal static class Library
{
    internal const string Topology = "SafeAmqp.AmqpTopology";

    /// <summary>A binding without its other end.</summary>
    internal const string BindingFrom = "SafeAmqp.AmqpBindingFrom";

    private static readonly string[] Assemblies = ["SafeAmqp", "SafeAmqp.Testing"];

    internal static bool Has(ISymbol? symbol)
        => symbol?.ContainingAssembly is { } assembly && Array.IndexOf(Assemblies, assembly.Name) >= 0;

    internal static bool IsNamed(ITypeSymbol? type, string name)
        => type is not null && Has(type) && type.OriginalDefinition.ToDisplayString() == name;

    /// <summary>Whether a delegate runs once for a delivery or a request: one of the library's own, or a function that
    /// is given to it.</summary>
    internal static bool IsHandler(IDelegateCreationOperation creation)
        => creation.Type is INamedTypeSymbol { DelegateInvokeMethod: { } invoke } type
            && invoke.Parameters.Any(parameter => IsNamed(parameter.Type, "SafeAmqp.AmqpDelivery"))
            && (Has(type) || Has(TakerOf(creation)));

    /// <summary>Whether a method implements such a handler for the host.</summary>
    internal static bool IsHandler(IMethodSymbol method)
        => method.ContainingType.AllInterfaces
            .Where(one => one.Name is "IAmqpConsumer" or "IAmqpServer" or "IAmqpManyServer" && Has(one))
            .SelectMany(one => one.GetMembers("HandleAsync"))
            .Any(member => SymbolEqualityComparer.Default.Equals(
                method.ContainingType.FindImplementationForInterfaceMember(member), method))
            || method.OverriddenMethod is { } overridden && IsHandler(overridden);

    /// <summary>The event, method, constructor or property that a delegate is given to.</summary>
    internal static ISymbol? TakerOf(IDelegateCreationOperation creation)
    {
        IOperation? parent = creation.Parent;
        while (parent is IConversionOperation or IParenthesizedOperation)
            parent = parent.Parent;
        return parent switch
        {
            IEventAssignmentOperation { EventReference: IEventReferenceOperation subscribed } => subscribed.Event,
            IArgumentOperation { Parent: IInvocationOperation call } => call.TargetMethod,
            IArgumentOperation { Parent: IObjectCreationOperation made } => made.Constructor,
            IAssignmentOperation { Target: IPropertyReferenceOperation set } => set.Property,
            _ => null,
        };
    }

    /// <summary>What an expression has its outcome from: the publish of
    /// <c>client?.PublishAsync(message).ConfigureAwait(false)</c>.</summary>
    internal static IOperation SourceOf(IOperation operation)
    {
        IOperation? inner = operation switch
        {
            IConditionalAccessOperation access => access.WhenNotNull,
            IConversionOperation conversion => conversion.Operand,
            IInvocationOperation { TargetMethod: { Name: "ConfigureAwait" or "AsTask" or "Preserve" } method } call
                when IsIn(method.ContainingType, "System.Threading.Tasks") => call.Instance ?? call.Arguments[0].Value,
            _ => null,
        };
        return inner is null ? operation : SourceOf(inner);
    }

    internal static bool IsAwaitable(ITypeSymbol type)
        => type.Name is "Task" or "ValueTask" && IsIn(type, "System.Threading.Tasks");

    internal static bool IsToken(ITypeSymbol type)
        => type.Name == "CancellationToken" && IsIn(type, "System.Threading");

    private static bool IsIn(ITypeSymbol type, string name) => type.ContainingNamespace?.ToDisplayString() == name;
}
