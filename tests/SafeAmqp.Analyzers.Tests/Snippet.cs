using System.Collections.Immutable;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeActions;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;
using Microsoft.CodeAnalysis.Text;
using SafeAmqp.CodeFixes;

namespace SafeAmqp.Analyzers.Tests;

/// <summary>A user's code, compiled against the library and looked at by its analyzers.</summary>
internal static class Snippet
{
    private const string Usings = """
        using System;
        using System.Collections.Generic;
        using System.IO;
        using System.Linq;
        using System.Net.Http;
        using System.Threading;
        using System.Threading.Tasks;
        using SafeAmqp;

        """;

    private static readonly ImmutableArray<DiagnosticAnalyzer> Analyzers =
        [new DroppedResultAnalyzer(), new AsyncVoidAnalyzer(), new HandlerTokenAnalyzer()];

    private static readonly MetadataReference[] References = [
        .. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Select(file => MetadataReference.CreateFromFile(file))];

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    /// <summary>The statements of a method that has a client, a topology and a token.</summary>
    public static string InMethod(string statements) => $$"""
        {{Usings}}
        class User
        {
            private AmqpTopology _topology = new();

            async Task RunAsync(IAmqpClient client, AmqpTopology topology, AmqpMessage message, CancellationToken stop)
            {
                await Task.Yield();
                {{statements}}
            }
        }

        static class Made
        {
            public static readonly AmqpTopology Fixed = new();

            public static AmqpTopology Topology() => new();

            public static AmqpTopology Next(this object made) => new();
        }
        """;

    /// <summary>A member of a class that has topologies of several kinds.</summary>
    public static string InClass(string member) => $$"""
        {{Usings}}
        class Factory
        {
            public AmqpTopology Inherited { get; private set; } = new();

            public AmqpTopology Create() => new();
        }

        class Convertible
        {
            public AmqpTopology Create() => new();

            public static implicit operator Convertible(AmqpTopology from) => new();
        }

        class User : Factory
        {
            private readonly IAmqpClient _client = Made.Client;
            private readonly AmqpMessage _message = null!;
            private readonly AmqpTopology _fixed = new();

            private AmqpTopology Read => _fixed;

            private AmqpTopology Initial { get; init; } = new();

            private AmqpTopology Own { get; set; } = new();

            private void Then(Action action) => action();

            {{member}}
        }

        static class Made
        {
            public static readonly IAmqpClient Client = null!;
        }
        """;

    /// <summary>Types beside each other.</summary>
    public static string Of(string types) => Usings + types;

    /// <summary>What is told, each with the code that it is about.</summary>
    public static async Task<string[]> DiagnoseAsync(string source)
    {
        using var workspace = new AdhocWorkspace();
        Document document = Add(workspace, source);
        return [.. (await FindAsync(document)).Select(
            found => $"{found.Id} {source[found.Location.SourceSpan.Start..found.Location.SourceSpan.End]}")];
    }

    /// <summary>The code after the first thing that is told was mended, which compiles; null where no fix is offered.
    /// </summary>
    public static async Task<string?> FixAsync(string source, OutputKind kind = OutputKind.DynamicallyLinkedLibrary)
    {
        using var workspace = new AdhocWorkspace();
        Document document = Add(workspace, source, kind);
        List<CodeAction> fixes = [];
        await new UseResultCodeFix().RegisterCodeFixesAsync(new CodeFixContext(
            document, (await FindAsync(document))[0], (fix, _) => fixes.Add(fix), Cancelled));
        if (fixes.Count == 0)
            return null;
        var operations = await fixes.Single().GetOperationsAsync(Cancelled);
        Solution changed = operations.OfType<ApplyChangesOperation>().Single().ChangedSolution;
        SourceText mended = await changed.GetDocument(document.Id)!.GetTextAsync(Cancelled);
        await CompileAsync(document.WithText(mended));
        return mended.ToString();
    }

    private static Document Add(AdhocWorkspace workspace, string source,
        OutputKind kind = OutputKind.DynamicallyLinkedLibrary) => workspace
        .AddProject(ProjectInfo.Create(ProjectId.CreateNewId(), VersionStamp.Default, "user", "user",
            LanguageNames.CSharp,
            compilationOptions: new CSharpCompilationOptions(kind, allowUnsafe: true),
            metadataReferences: References))
        .AddDocument("User.cs", source);

    private static async Task<ImmutableArray<Diagnostic>> FindAsync(Document document)
    {
        Compilation compilation = await CompileAsync(document);
        ImmutableArray<Diagnostic> found = await compilation.WithAnalyzers(Analyzers)
            .GetAnalyzerDiagnosticsAsync(Cancelled);
        return [.. found.OrderBy(one => one.Location.SourceSpan.Start)];
    }

    private static async Task<Compilation> CompileAsync(Document document)
    {
        Compilation compilation = (await document.Project.GetCompilationAsync(Cancelled))!;
        Assert.DoesNotContain(
            compilation.Emit(Stream.Null, cancellationToken: Cancelled).Diagnostics,
            told => told.Severity == DiagnosticSeverity.Error);
        return compilation;
    }
}
