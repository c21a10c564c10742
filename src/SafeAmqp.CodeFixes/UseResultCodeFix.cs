using System.Collections.Immutable;
using System.Composition;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeActions;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using SafeAmqp.Analyzers;

namespace SafeAmqp.CodeFixes;

/// <summary>Awaits an operation, where the function is async; gives a topology back to its variable.</summary>
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
        foreach (Diagnostic diagnostic in context.Diagnostics)
        {
            // A call behind ?. or in an arrow has no statement of its own to change.
            if (root?.FindNode(diagnostic.Location.SourceSpan) is not { Parent: ExpressionStatementSyntax statement })
                continue;
            ExpressionSyntax call = statement.Expression.WithoutTrivia();
            bool awaits = diagnostic.Id == Rules.NotAwaited.Id;
            string title = awaits ? "Await it" : "Keep the new topology";
            ExpressionSyntax? better = awaits ? IsInAsync(statement) ? Awaited(call) : null
                : VariableOf(statement.Expression) is { } variable && MayBeSet(model?.GetSymbolInfo(variable).Symbol)
                ? Kept(variable, call) : null;
            if (better is null)
                continue;
            SyntaxNode changed = root.ReplaceNode(
                statement.Expression, better.WithTriviaFrom(statement.Expression));
            context.RegisterCodeFix(
                CodeAction.Create(title, _ => Task.FromResult(context.Document.WithSyntaxRoot(changed)), title),
                diagnostic);
        }
    }

    private static bool IsInAsync(SyntaxNode node) => node.Ancestors().Select(ancestor => ancestor switch
    {
        AnonymousFunctionExpressionSyntax function => function.Modifiers,
        LocalFunctionStatementSyntax local => local.Modifiers,
        MethodDeclarationSyntax method => method.Modifiers,
        GlobalStatementSyntax => SyntaxFactory.TokenList(SyntaxFactory.Token(SyntaxKind.AsyncKeyword)), // a program
        _ => (SyntaxTokenList?)null,
    }).FirstOrDefault(modifiers => modifiers is not null)?.Any(SyntaxKind.AsyncKeyword) == true;

    private static AwaitExpressionSyntax Awaited(ExpressionSyntax call) => SyntaxFactory.AwaitExpression(
        SyntaxFactory.Token(SyntaxKind.AwaitKeyword).WithTrailingTrivia(SyntaxFactory.Space), call);

    // topology.Queue("q").Exchange(…) begins with the variable; what Bind(…) returns is no topology yet.
    private static IdentifierNameSyntax? VariableOf(ExpressionSyntax call)
    {
        if (call is InvocationExpressionSyntax { Expression: MemberAccessExpressionSyntax last }
            && last.Name.Identifier.Text == "Bind")
            return null;
        ExpressionSyntax first = call;
        while (first is InvocationExpressionSyntax { Expression: MemberAccessExpressionSyntax member })
            first = member.Expression;
        return first as IdentifierNameSyntax;
    }

    // A type or a method that returns a topology is none.
    private static bool MayBeSet(ISymbol? variable) => variable switch
    {
        ILocalSymbol local => !local.IsConst && !local.IsForEach && !local.IsUsing,
        IParameterSymbol parameter => parameter.RefKind is RefKind.None or RefKind.Ref or RefKind.Out,
        IFieldSymbol field => !field.IsReadOnly && !field.IsConst,
        IPropertySymbol property => property.SetMethod is { IsInitOnly: false },
        _ => false,
    };

    private static AssignmentExpressionSyntax Kept(IdentifierNameSyntax variable, ExpressionSyntax call)
        => SyntaxFactory.AssignmentExpression(
            SyntaxKind.SimpleAssignmentExpression, variable.WithoutTrivia().WithTrailingTrivia(SyntaxFactory.Space),
            SyntaxFactory.Token(SyntaxKind.EqualsToken).WithTrailingTrivia(SyntaxFactory.Space), call);
}
