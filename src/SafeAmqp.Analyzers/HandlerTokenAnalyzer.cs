using System.Collections.Concurrent;
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
        context.RegisterCompilationStartAction(start =>
        {
            var named = new NamedHandlers();
            start.RegisterOperationAction(named.AnalyzeCreation, OperationKind.DelegateCreation);
            start.RegisterOperationAction(named.AnalyzeLocalFunction, OperationKind.LocalFunction);
            start.RegisterOperationBlockAction(named.AnalyzeMethod);
        });
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
            IOperation? awaited = operation switch
            {
                IAwaitOperation one => one.Operation,
                IForEachLoopOperation { IsAsynchronous: true } loop => loop.Collection,
                _ => null,
            };
            couldTakeOne |= awaited is not null && Library.SourceOf(awaited) is IInvocationOperation call
                && TakesToken(call);
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

    /// <summary>A method or local function, and where it is given to the library, are met in any order.</summary>
    private sealed class NamedHandlers
    {
        private readonly ConcurrentDictionary<ISymbol, bool> _handlers = new(SymbolEqualityComparer.Default);
        private readonly ConcurrentDictionary<ISymbol, IParameterSymbol> _ignored = new(SymbolEqualityComparer.Default);

        internal void AnalyzeCreation(OperationAnalysisContext context)
        {
            var creation = (IDelegateCreationOperation)context.Operation;
            if (!Library.IsHandler(creation))
                return;
            if (creation.Target is IMethodReferenceOperation { Method: var method })
            {
                IMethodSymbol given = (method.ReducedFrom ?? method).OriginalDefinition;
                given = given.PartialImplementationPart ?? given;
                _handlers[given] = true;
                ReportOnce(given, context.ReportDiagnostic);
            }
            else if (creation.Target is IAnonymousFunctionOperation function
                && Ignored(function.Symbol, [function.Body]) is { } token)
            {
                Report(token, context.ReportDiagnostic);
            }
        }

        internal void AnalyzeLocalFunction(OperationAnalysisContext context)
        {
            if (context.Operation is ILocalFunctionOperation { Body: { } body } local)
                Analyze(local.Symbol, [body], context.ReportDiagnostic);
        }

        internal void AnalyzeMethod(OperationBlockAnalysisContext context)
        {
            if (context.OwningSymbol is IMethodSymbol method)
                Analyze(method, context.OperationBlocks, context.ReportDiagnostic);
        }

        private void Analyze(IMethodSymbol method, ImmutableArray<IOperation> blocks, Action<Diagnostic> report)
        {
            if (Ignored(method, blocks) is not { } token)
                return;
            _ignored[method] = token;
            if (_handlers.ContainsKey(method) || Library.IsHandler(method))
                ReportOnce(method, report);
        }

        private void ReportOnce(IMethodSymbol method, Action<Diagnostic> report)
        {
            if (_ignored.TryRemove(method, out IParameterSymbol? token))
                Report(token, report);
        }
    }
}
