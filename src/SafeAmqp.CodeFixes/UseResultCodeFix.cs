using System.Collections.Immutable;
using System.Composition;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeActions;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Text;
using SafeAmqp.Analyzers;

namespace SafeAmqp.CodeFixes;

/// <summary>Awaits an operation, or gives a topology back to its variable, where that compiles.</summary>
[ExportCodeFixProvider(LanguageNames.CSharp)]
[Shared]
public sealed class UseResultCodeFix : CodeFixProvider
{
    /// <inheritdoc/>
    public override ImmutableArray<string> FixableDiagnosticIds { get; } =
        [Rules.TopologyDropped.Id, Rules.NotAwaited.Id];

    /// <inheritdoc/>
    public override FixAllProvider GetFixAllProvider() => WellKnownFixAllProviders.BatchFixer;

    /// <inheritdoc/>
    public override async Task RegisterCodeFixesAsync(CodeFixContext context)
    {
        SyntaxNode? root = await context.Document.GetSyntaxRootAsync(context.CancellationToken).ConfigureAwait(false);
        SemanticModel? model = await context.Document.GetSemanticModelAsync(context.CancellationToken)
            .ConfigureAwait(false);
        if (root is null || model is null)
            return;
        foreach (Diagnostic diagnostic in context.Diagnostics)
        {
            if (StatementOf(root.FindNode(diagnostic.Location.SourceSpan)) is not { Expression: var call } statement)
                continue;
            bool awaits = diagnostic.Id == Rules.NotAwaited.Id;
            string title = awaits ? "Await it" : "Keep the new topology";
            ExpressionSyntax? better = awaits ? Awaited(statement, model) : Kept(call, model);
            if (better is null)
                continue;
            Document changed = context.Document.WithSyntaxRoot(root.ReplaceNode(call, better.WithTriviaFrom(call)));
            var span = new TextSpan(call.SpanStart, better.Span.Length);
            if (await CompilesAsync(changed, span, context.CancellationToken).ConfigureAwait(false))
                context.RegisterCodeFix(CodeAction.Create(title, _ => Task.FromResult(changed), title), diagnostic);
        }
    }

    // A call behind ?. or in an arrow has no statement of its own to change; one before .ConfigureAwait(false) has.
    private static ExpressionStatementSyntax? StatementOf(SyntaxNode call)
    {
        while (call.Parent is MemberAccessExpressionSyntax { Parent: InvocationExpressionSyntax outer })
            call = outer;
        return call.Parent as ExpressionStatementSyntax;
    }

    // A reference, or a type that holds one, may not live across an await; the compiler says so only when it emits.
    private static AwaitExpressionSyntax? Awaited(ExpressionStatementSyntax statement, SemanticModel model)
    {
        bool hasReference = model.LookupSymbols(statement.SpanStart).OfType<ILocalSymbol>()
            .Any(local => local.IsRef || local.Type.IsRefLikeType);
        bool isInReference = statement.Ancestors().Select(ancestor => ancestor switch
        {
            UsingStatementSyntax scope => scope.Expression,
            CommonForEachStatementSyntax loop => loop.Expression,
            _ => null,
        }).Any(held => held is not null && model.GetTypeInfo(held).Type is { IsRefLikeType: true });
        return hasReference || isInReference ? null : SyntaxFactory.AwaitExpression(
            SyntaxFactory.Token(SyntaxKind.AwaitKeyword).WithTrailingTrivia(SyntaxFactory.Space),
            statement.Expression.WithoutTrivia());
    }

    // topology.Queue("q").Exchange(…) begins with the variable; what Bind(…) returns is no topology yet.
    private static AssignmentExpressionSyntax? Kept(ExpressionSyntax call, SemanticModel model)
    {
        ExpressionSyntax first = call;
        while (first is InvocationExpressionSyntax { Expression: MemberAccessExpressionSyntax member })
            first = member.Expression;
        return first is IdentifierNameSyntax variable && SymbolEqualityComparer.Default.Equals(
            model.GetTypeInfo(variable).Type, model.GetTypeInfo(call).Type)
            ? SyntaxFactory.AssignmentExpression(
                SyntaxKind.SimpleAssignmentExpression,
                variable.WithoutTrivia().WithTrailingTrivia(SyntaxFactory.Space),
                SyntaxFactory.Token(SyntaxKind.EqualsToken).WithTrailingTrivia(SyntaxFactory.Space),
                call.WithoutTrivia())
            : null;
    }

    // The compiler knows best which variables can be set here, and where await may stand.
    private static async Task<bool> CompilesAsync(Document document, TextSpan span, CancellationToken cancelled)
        => await document.GetSemanticModelAsync(cancelled).ConfigureAwait(false) is { } model
            && !model.GetDiagnostics(span, cancelled).Any(told => told.Severity == DiagnosticSeverity.Error);
}
