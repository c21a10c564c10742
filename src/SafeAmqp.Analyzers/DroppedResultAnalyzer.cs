using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Diagnostics;
using Microsoft.CodeAnalysis.Operations;

namespace SafeAmqp.Analyzers;

/// <summary>Finds calls whose result nothing takes: those of a topology, and those that have an outcome.</summary>
[DiagnosticAnalyzer(LanguageNames.CSharp)]
public sealed class DroppedResultAnalyzer : DiagnosticAnalyzer
{
    /// <inheritdoc/>
    public override ImmutableArray<DiagnosticDescriptor> SupportedDiagnostics { get; } =
        [Rules.TopologyDropped, Rules.NotAwaited];

    /// <inheritdoc/>
    public override void Initialize(AnalysisContext context)
    {
        context.ConfigureGeneratedCodeAnalysis(GeneratedCodeAnalysisFlags.None);
        context.EnableConcurrentExecution();
        context.RegisterOperationAction(Analyze, OperationKind.ExpressionStatement);
    }

    private static void Analyze(OperationAnalysisContext context)
    {
        IOperation operation = Library.SourceOf(((IExpressionStatementOperation)context.Operation).Operation);
        if (operation is not IInvocationOperation { TargetMethod: var method } call || !Library.Has(method))
            return;
        DiagnosticDescriptor? rule = Library.IsNamed(method.ReturnType, Library.Topology)
            || Library.IsNamed(method.ReturnType, Library.BindingFrom) ? Rules.TopologyDropped
            : Library.IsAwaitable(method.ReturnType) ? Rules.NotAwaited : null;
        if (rule is not null)
            context.ReportDiagnostic(Diagnostic.Create(rule, call.Syntax.GetLocation(), method.Name));
    }
}
