using Microsoft.CodeAnalysis;

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

    /// <summary>Whether a delegate runs once for a delivery or a request, with a token.</summary>
    internal static bool IsHandler(ITypeSymbol? type)
        => type is { TypeKind: TypeKind.Delegate, Name: "AmqpHandler" or "AmqpRequestHandler" } && Has(type);

    /// <summary>Whether a method implements such a handler for the host.</summary>
    internal static bool IsHandler(IMethodSymbol method)
        => method.Name == "HandleAsync" && method.ContainingType is { } type && type.AllInterfaces.Any(one
            => one.Name is "IAmqpConsumer" or "IAmqpServer" && Has(one) && one.GetMembers(method.Name).Any(member
                => SymbolEqualityComparer.Default.Equals(type.FindImplementationForInterfaceMember(member), method)));

    internal static bool IsAwaitable(ITypeSymbol type)
        => type.Name is "Task" or "ValueTask" && IsIn(type, "System.Threading.Tasks");

    internal static bool IsToken(ITypeSymbol type)
        => type.Name == "CancellationToken" && IsIn(type, "System.Threading");

    private static bool IsIn(ITypeSymbol type, string name) => type.ContainingNamespace?.ToDisplayString() == name;
}
