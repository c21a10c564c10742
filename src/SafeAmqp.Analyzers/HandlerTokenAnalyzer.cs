using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Diagnostics;
using Microsoft.CodeAnalysis.Operations;

namespace SafeAmqp.Analyzers;

/// <summary>Finds handlers that name their token, never use it, and await what would take one. A parameter whose name
/// begins with an underscore says that it is left out on purpose.</summary>
[DiagnosticAnalyzer(LanguageNames.CSharp)]
public sealed class HandlerTokenAnalyzer : DiagnosticAnalyzer
{
    /// <inheritdoc/>
    public override ImmutableArray<DiagnosticDescriptor> SupportedDiagnostics { get; } = [Rules.TokenIgnored];

    /// <inheritdoc/>
    public override void Initialize(AnalysisContext context)
    {
        context.ConfigureGeneratedCodeAnalysis(GeneratedCodeAnalysisFlags.None);
        context.EnableConcurrentExecution();
        context.RegisterOperationAction(AnalyzeFunction, OperationKind.DelegateCreation);
        context.RegisterOperationBlockAction(AnalyzeMethod);
    }

    private static void AnalyzeFunction(OperationAnalysisContext context)
    {
        if (context.Operation is IDelegateCreationOperation { Target: IAnonymousFunctionOperation function } creation
            && Library.IsHandler(creation.Type) && Ignored(function.Symbol, [function.Body]) is { } token)
            Report(token, context.ReportDiagnostic);
    }

    private static void AnalyzeMethod(OperationBlockAnalysisContext context)
    {
        if (context.OwningSymbol is IMethodSymbol method && Library.IsHandler(method)
            && Ignored(method, context.OperationBlocks) is { } token)
            Report(token, context.ReportDiagnostic);
    }

    private static void Report(IParameterSymbol token, Action<Diagnostic> report)
        => report(Diagnostic.Create(Rules.TokenIgnored, token.Locations[0], token.Name));

    private static IParameterSymbol? Ignored(IMethodSymbol handler, ImmutableArray<IOperation> blocks)
    {
        IParameterSymbol? token = handler.Parameters.FirstOrDefault(one => Library.IsToken(one.Type));
        if (token is null || token.IsDiscard || token.Name.StartsWith("_", StringComparison.Ordinal))
            return null;
        bool couldTakeOne = false;
        foreach (IOperation operation in blocks.SelectMany(block => block.DescendantsAndSelf()))
        {
            if (operation is IParameterReferenceOperation used
                && SymbolEqualityComparer.Default.Equals(used.Parameter, token))
                return null;
            couldTakeOne |= operation is IAwaitOperation { Operation: IInvocationOperation call } && TakesToken(call);
        }
        return couldTakeOne ? token : null;
    }

    // By a parameter that was left out, or by an overload with one more.
    private static bool TakesToken(IInvocationOperation call)
    {
        IMethodSymbol method = call.TargetMethod;
        if (method.Parameters.Any(parameter => Library.IsToken(parameter.Type)))
        {
            return call.Arguments.Any(argument => argument.ArgumentKind == ArgumentKind.DefaultValue
                && argument.Parameter is { } parameter && Library.IsToken(parameter.Type));
        }
        return method.ContainingType.GetMembers(method.Name).OfType<IMethodSymbol>().Any(other
            => other.IsStatic == method.IsStatic && other.Parameters.Length == method.Parameters.Length + 1
                && Library.IsToken(other.Parameters[other.Parameters.Length - 1].Type)
                && method.Parameters.Zip(other.Parameters, (one, two) => SymbolEqualityComparer.Default.Equals(
                    one.OriginalDefinition.Type, two.OriginalDefinition.Type)).All(same => same));
    }
}
