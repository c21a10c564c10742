using System.Collections.Immutable;
using System.Reflection;
using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Text;
using SafeAmqp.Simulation.Exploring;

namespace SafeAmqp.Simulation.Mutations;

/// <summary>
/// Compiles the library's sources in memory, one of them changed. Everything else is parsed, and its generated code
/// made, once.
/// </summary>
internal sealed class MutantCompiler
{
    private static readonly CSharpParseOptions Options = new(LanguageVersion.Latest);

    private readonly Dictionary<string, SyntaxTree> _trees;
    private readonly CSharpCompilation _original;

    internal MutantCompiler()
    {
        string folder = Path.Combine(Repository.Root, "src", "SafeAmqp");
        _trees = Directory.EnumerateFiles(folder, "*.cs", SearchOption.AllDirectories)
            .Select(file => Path.GetRelativePath(folder, file).Replace('\\', '/'))
            .Where(file => !file.StartsWith("obj/", StringComparison.Ordinal)
                && !file.StartsWith("bin/", StringComparison.Ordinal))
            .ToDictionary(file => file, file => Parse(File.ReadAllText(Path.Combine(folder, file)), file));
        var compilation = CSharpCompilation.Create(
            "SafeAmqp", [.. _trees.Values, Parse(WhatTheProjectAdds, "Project.cs")], References(),
            new CSharpCompilationOptions(
                OutputKind.DynamicallyLinkedLibrary,
                optimizationLevel: OptimizationLevel.Release,
                nullableContextOptions: NullableContextOptions.Enable));
        CSharpGeneratorDriver.Create(Generators(), parseOptions: Options).RunGeneratorsAndUpdateCompilation(
            compilation, out Compilation generated, out _);
        _original = (CSharpCompilation)generated;
    }

    internal byte[] Compile(Mutant mutant)
    {
        if (!_trees.TryGetValue(mutant.File, out SyntaxTree? tree))
            throw new InvalidOperationException($"'{mutant.Name}' is about {mutant.File}, which is not there.");
        string source = tree.ToString();
        int times = source.Split(mutant.Old).Length - 1;
        if (times != 1)
            throw new InvalidOperationException(
                $"'{mutant.Name}' does not apply: its text occurs {times} times in {mutant.File}.");
        SyntaxTree changed = Parse(source.Replace(mutant.Old, mutant.New, StringComparison.Ordinal), mutant.File);
        using var assembly = new MemoryStream();
        var result = _original.ReplaceSyntaxTree(tree, changed).Emit(assembly);
        if (!result.Success)
            throw new InvalidOperationException($"'{mutant.Name}' does not compile: "
                + $"{result.Diagnostics.First(diagnostic => diagnostic.Severity == DiagnosticSeverity.Error)}");
        return assembly.ToArray();
    }

    private const string WhatTheProjectAdds = """
        global using System;
        global using System.Collections.Generic;
        global using System.IO;
        global using System.Linq;
        global using System.Net.Http;
        global using System.Threading;
        global using System.Threading.Tasks;
        [assembly: System.Runtime.CompilerServices.InternalsVisibleTo("SafeAmqp.Simulation")]
        """;

    private static SyntaxTree Parse(string source, string path)
        => CSharpSyntaxTree.ParseText(SourceText.From(source, Encoding.UTF8), Options, path);

    // What this process runs with is what the library is compiled against.
    private static IEnumerable<MetadataReference> References()
        => ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(file => Path.GetFileName(file) is not ("SafeAmqp.dll" or "SafeAmqp.Simulation.dll"))
            .Select(file => MetadataReference.CreateFromFile(file));

    // Of the log lines.
    private static ImmutableArray<ISourceGenerator> Generators()
    {
        string package = typeof(MutantCompiler).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>()
            .Single(attribute => attribute.Key == "LoggingPackage").Value!;
        string file = Path.Combine(
            package, "analyzers", "dotnet", "roslyn4.4", "cs", "Microsoft.Extensions.Logging.Generators.dll");
        return [.. Assembly.LoadFrom(file).GetTypes()
            .Where(type => !type.IsAbstract && typeof(IIncrementalGenerator).IsAssignableFrom(type))
            .Select(type => ((IIncrementalGenerator)Activator.CreateInstance(type)!).AsSourceGenerator())];
    }
}
